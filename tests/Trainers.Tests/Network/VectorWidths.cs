namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>The widths of vectors that this processor has: the wider ones are taken by themselves, so that tests have to ask for the others.</summary>
internal static class VectorWidths
{
    /// <summary>Runs a test with each.</summary>
    public static void Each(Action test)
    {
        if (!VectorMath.IsAvailable) Assert.Inconclusive("This processor has vectors of neither 512 nor 256 bits.");
        try
        {
            foreach (bool wide in VectorMath.HasWide ? (bool[])[true, false] : [false])
            {
                VectorMath.IsWide = wide;
                test();
            }
        }
        finally
        {
            VectorMath.IsWide = VectorMath.HasWide;
        }
    }
}
