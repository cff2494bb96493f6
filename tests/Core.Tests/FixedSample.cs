using CsCheck;

namespace MLNet.Gpt.Core.Tests;

/// <summary>Properties checked on the same inputs in every run: CsCheck's own <c>Sample</c> fixes the first input alone.</summary>
internal static class FixedSample
{
    /// <summary>Checks a property of <paramref name="iter"/> inputs, one after another on this thread. A counterexample is made smaller before it is reported.</summary>
    public static void Always<T>(this Gen<T> gen, Action<T> check, int iter)
    {
        for (uint i = 0; i < iter; i++)
        {
            var random = new PCG(i, 20_251_125);
            string seed = random.ToString(random.State);
            T input = gen.Generate(random, null, out _);
            try
            {
                check(input);
            }
            catch (Exception)
            {
                gen.Sample(check, seed: seed, iter: 200, threads: 1); // throws, with the smallest counterexample that it finds
                throw;
            }
        }
    }

    public static void Always<T1, T2>(this Gen<(T1, T2)> gen, Action<T1, T2> check, int iter) => gen.Always(input => check(input.Item1, input.Item2), iter);

    public static void Always<T1, T2, T3>(this Gen<(T1, T2, T3)> gen, Action<T1, T2, T3> check, int iter) => gen.Always(input => check(input.Item1, input.Item2, input.Item3), iter);

    public static void Always<T1, T2, T3, T4>(this Gen<(T1, T2, T3, T4)> gen, Action<T1, T2, T3, T4> check, int iter) =>
        gen.Always(input => check(input.Item1, input.Item2, input.Item3, input.Item4), iter);

    public static void Always<T1, T2, T3, T4, T5>(this Gen<(T1, T2, T3, T4, T5)> gen, Action<T1, T2, T3, T4, T5> check, int iter) =>
        gen.Always(input => check(input.Item1, input.Item2, input.Item3, input.Item4, input.Item5), iter);
}
