using System.Globalization;
using System.Text;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Api;

/// <summary>Writes types and constants the way the API listings do: full names, C# keywords for the built-in types.</summary>
internal static class ApiNames
{
    private static readonly Dictionary<string, string> Keywords = new()
    {
        ["Void"] = "void", ["Object"] = "object", ["String"] = "string", ["Boolean"] = "bool", ["Char"] = "char",
        ["SByte"] = "sbyte", ["Byte"] = "byte", ["Int16"] = "short", ["UInt16"] = "ushort", ["Int32"] = "int",
        ["UInt32"] = "uint", ["Int64"] = "long", ["UInt64"] = "ulong", ["Single"] = "float", ["Double"] = "double",
        ["Decimal"] = "decimal", ["IntPtr"] = "nint", ["UIntPtr"] = "nuint",
    };

    public static string Type(TypeReference type) => type switch
    {
        GenericParameter parameter => parameter.Name,
        ArrayType array => Array(array),
        ByReferenceType reference => "ref " + Type(reference.ElementType),
        PointerType pointer => Type(pointer.ElementType) + "*",
        FunctionPointerType function => $"delegate*<{string.Join(", ", function.Parameters.Select(p => p.ParameterType).Append(function.ReturnType).Select(Type))}>",
        GenericInstanceType { ElementType.FullName: "System.Nullable`1" } nullable => Type(nullable.GenericArguments[0]) + "?",
        GenericInstanceType instance => Named(instance.ElementType, [.. instance.GenericArguments.Select(Type)]),
        TypeSpecification specification => Type(specification.ElementType), // pinned, modreq, modopt
        _ when IsKeyword(type) => Keywords[type.Name],
        _ => Named(type, [.. type.GenericParameters.Select(Declared)]),
    };

    public static bool IsKeyword(TypeReference type) => type is { Namespace: "System", IsNested: false } && Keywords.ContainsKey(type.Name);

    /// <summary>A constant of the given type: enum members by name, strings quoted, floats with their suffix.</summary>
    public static string Constant(TypeReference type, object? value)
    {
        if (type is GenericInstanceType { ElementType.FullName: "System.Nullable`1" } nullable)
        {
            if (value is null)
                return "null";
            type = nullable.GenericArguments[0];
        }
        if (value is CustomAttributeArgument argument)
            return Constant(argument.Type, argument.Value);
        if (value is null)
            return IsStruct(type) ? "default" : "null";
        if (IsKeyword(type) || type is GenericParameter)
            return Literal(value);
        if (Definition(type) is { IsEnum: true } declaration && EnumMember(declaration, value) is { } member)
            return member;
        return value is string ? Literal(value) : $"({Type(type)}){Literal(value)}";
    }

    public static string Literal(object? value) => value switch
    {
        null => "null",
        string text => Quoted(text, '"'),
        char character => Quoted(character.ToString(), '\''),
        bool truth => truth ? "true" : "false",
        float number => number.ToString("R", CultureInfo.InvariantCulture) + "f",
        double number => number.ToString("R", CultureInfo.InvariantCulture) + "d",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Array(ArrayType array)
    {
        // C# writes the ranks of an array of arrays from the outside in.
        string ranks = "";
        TypeReference element = array;
        for (; element is ArrayType level; element = level.ElementType)
            ranks += $"[{new string(',', level.Rank - 1)}]";
        return Type(element) + ranks;
    }

    private static string Declared(GenericParameter parameter) =>
        (parameter.IsCovariant ? "out " : parameter.IsContravariant ? "in " : "") + parameter.Name;

    // Outer.Inner, each with the type arguments that it declares itself: `n in the name counts them.
    private static string Named(TypeReference type, List<string> arguments)
    {
        var nesting = new Stack<TypeReference>();
        for (TypeReference? level = type; level is not null; level = level.DeclaringType)
            nesting.Push(level);

        string prefix = nesting.Peek().Namespace is { Length: > 0 } space ? space + "." : "";
        int used = 0;
        return prefix + string.Join('.', nesting.Select(level =>
        {
            string[] parts = level.Name.Split('`');
            if (parts.Length == 1)
                return level.Name;
            int count = int.Parse(parts[1], CultureInfo.InvariantCulture);
            string list = arguments.Count >= used + count ? string.Join(", ", arguments.GetRange(used, count)) : new string(',', count - 1);
            used += count;
            return $"{parts[0]}<{list}>";
        }));
    }

    private static bool IsStruct(TypeReference type) =>
        type is not (ArrayType or PointerType) && (type is GenericParameter || type.IsValueType || Definition(type) is { IsValueType: true });

    private static TypeDefinition? Definition(TypeReference type)
    {
        try
        {
            return type.Resolve();
        }
        catch (AssemblyResolutionException)
        {
            return null; // an assembly that isn't beside the inspected one: its enums are written as numbers
        }
    }

    private static string? EnumMember(TypeDefinition declaration, object value)
    {
        ulong wanted = Bits(value);
        List<FieldDefinition> members = [.. declaration.Fields.Where(field => field.HasConstant)];
        if (members.Find(member => Bits(member.Constant) == wanted) is { } exact)
            return $"{Type(declaration)}.{exact.Name}";
        if (!ApiShape.Has(declaration, "System.FlagsAttribute"))
            return null;

        // A combination of flags: the largest first, until nothing is left.
        var parts = new List<string>();
        foreach (FieldDefinition member in members.OrderByDescending(member => Bits(member.Constant)))
        {
            ulong bits = Bits(member.Constant);
            if (bits == 0 || (wanted & bits) != bits)
                continue;
            parts.Add($"{Type(declaration)}.{member.Name}");
            wanted &= ~bits;
        }
        return wanted == 0 && parts.Count > 0 ? string.Join(" | ", parts.Order(StringComparer.Ordinal)) : null;
    }

    private static ulong Bits(object value) => value switch
    {
        bool truth => truth ? 1u : 0u,
        char character => character,
        sbyte or short or int or long => unchecked((ulong)Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        _ => Convert.ToUInt64(value, CultureInfo.InvariantCulture),
    };

    private static string Quoted(string text, char quote)
    {
        var builder = new StringBuilder().Append(quote);
        foreach (char character in text)
        {
            if (character == quote || character == '\\')
                builder.Append('\\').Append(character);
            else if (character < ' ' || character is '\u007f' or '\u2028' or '\u2029' || char.IsSurrogate(character))
                builder.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else
                builder.Append(character);
        }
        return builder.Append(quote).ToString();
    }
}
