using Mono.Cecil;
using Mono.Cecil.Cil;

namespace MLNet.Gpt.Architecture.Tests.Rules;

/// <summary>
/// What the library says and writes is the same on every machine: "0.5" is no "0,5" in an error, a file or a name. An interpolated string, ToString and the like take the culture of the thread unless they are given one.
/// </summary>
[TestClass]
public class CultureTests
{
    private const string Provider = "System.IFormatProvider";

    // Numbers with a fraction, times, and what may be one. An integer differs by its minus sign alone, unless it has a format.
    private static readonly HashSet<string> Fractions = ["System.Object", "System.Single", "System.Double", "System.Decimal", "System.Half", "System.TimeSpan", "System.DateTime", "System.DateTimeOffset"];

    private static readonly HashSet<string> Integers = ["System.Int16", "System.UInt16", "System.Int32", "System.UInt32", "System.Int64", "System.UInt64"];

    [TestMethod]
    public void No_text_of_src_has_a_number_in_the_culture_of_the_machine()
    {
        using var assemblies = new InspectedAssemblies();
        string[] found = [.. Repository.Libraries.SelectMany(library => assemblies.Named(library).MainModule.GetTypes()).SelectMany(static type => type.Methods).Where(static method => method.HasBody).SelectMany(Offences).Distinct()];
        Assert.IsEmpty(found, $"Give them a culture (string.Create(CultureInfo.InvariantCulture, $\"…\"), ToString(CultureInfo.InvariantCulture)):\n{string.Join('\n', found)}");
    }

    [TestMethod]
    public void Such_a_text_is_found_where_there_is_one()
    {
        using var assemblies = new InspectedAssemblies();
        TypeDefinition examples = assemblies.Named(typeof(CultureTests).Assembly.GetName().Name!).MainModule.GetTypes().Single(static type => type.Name == nameof(Examples));
        foreach (MethodDefinition method in examples.Methods.Where(static method => !method.IsConstructor))
            Assert.AreEqual(method.Name.StartsWith("Wrong", StringComparison.Ordinal), Offences(method).Any(), method.Name);
    }

    /// <summary>The calls of a method that turn a number into text, or back, as the thread's culture has it.</summary>
    private static IEnumerable<string> Offences(MethodDefinition method)
    {
        var pushed = new Stack<object>();          // the handlers of interpolated strings whose address waits for its call
        var cultured = new HashSet<object>();      // those that were made without a culture
        foreach (Instruction instruction in method.Body.Instructions)
        {
            if (instruction is { OpCode.Code: Code.Ldloca or Code.Ldloca_S, Operand: VariableDefinition variable } && IsHandler(variable.VariableType)) pushed.Push(variable);
            if (instruction.Operand is not MethodReference called || instruction.OpCode.Code is not (Code.Call or Code.Callvirt or Code.Newobj)) continue;
            bool takesProvider = called.Parameters.Any(static parameter => parameter.ParameterType.FullName == Provider);
            if (IsHandler(called.DeclaringType))
            {
                if (instruction.OpCode.Code == Code.Newobj || pushed.Count == 0) continue;
                object handler = pushed.Pop();
                if (called.Name == ".ctor" && !takesProvider) cultured.Add(handler);
                else if (called.Name == ".ctor") cultured.Remove(handler);
                else if (called is GenericInstanceMethod { Name: "AppendFormatted" } formatted && cultured.Contains(handler) && IsCultured(formatted.GenericArguments[0], FormatBefore(instruction)))
                    yield return $"{method.FullName}: a {formatted.GenericArguments[0].FullName} in an interpolated string";
                continue;
            }

            for (int i = 0; i < called.Parameters.Count && pushed.Count > 0; i++)
            {
                if (called.Parameters[i].ParameterType is ByReferenceType { ElementType: { } element } && IsHandler(element)) pushed.Pop();
            }

            if (!takesProvider && called.Name is ("ToString" or "Parse" or "TryParse") && called.DeclaringType.FullName != "System.Object" && IsCultured(called.DeclaringType, FormatBefore(instruction)))
                yield return $"{method.FullName} calls {called.FullName}";
        }
    }

    private static bool IsHandler(TypeReference type) => type.Name is "DefaultInterpolatedStringHandler" or "AppendInterpolatedStringHandler";

    /// <summary>The format that a call is given; null for none.</summary>
    private static string? FormatBefore(Instruction call) => call.Previous is { OpCode.Code: Code.Ldstr, Operand: string format } ? format : null;

    private static bool IsCultured(TypeReference type, string? format)
    {
        TypeReference number = type is GenericInstanceType { Name: "Nullable`1" } nullable ? nullable.GenericArguments[0] : type;
        return number.IsGenericParameter || Fractions.Contains(number.FullName) || (Integers.Contains(number.FullName) && format is not (null or ['x' or 'X' or 'd' or 'D' or 'b' or 'B', ..]));
    }

    private static class Examples
    {
        public static string WrongInterpolation(double value) => $"It is {value}.";

        public static string WrongNullable(float? value, bool holds) => $"It is {(holds ? $"not {holds}" : "")}{value}.";

        public static string WrongFormat(int value) => $"It is {value:N0}.";

        public static string WrongWithin(float value) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"It is {value}, {(value > 0 ? $"above {value}" : "0")}.");

        public static string WrongText(double value) => "It is " + value.ToString("0.0") + ".";

        public static string WrongObject(object value) => $"It is {value}.";

        public static string WrongAny<T>(T value) => $"It is {value}.";

        public static double WrongNumber(string text) => double.Parse(text);

        public static string RightInterpolation(double value) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"It is {value}, {(value > 0 ? $"as {nameof(value)}" : "0")}.");

        public static string RightInvariant(double value) => FormattableString.Invariant($"It is {value}.");

        public static string RightInteger(int value) => $"It is {value}.";

        public static string RightDigits(int value) => $"It is {value:x2}, {value:D4}.";

        public static string RightText(double value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }
}
