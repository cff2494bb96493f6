using System.Globalization;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Api;

/// <summary>One line of an API listing and the declaration that it was written from.</summary>
internal sealed record ApiMember(string Line, IMemberDefinition Declaration);

/// <summary>
/// The public and protected API of an assembly, one member a line: types as <c>Name = public sealed class : Base, IInterface</c>,
/// members as <c>Name :: method void Run(int count = 1)</c>.
/// </summary>
internal static class ApiListing
{
    private const string Compiler = "System.Runtime.CompilerServices.";

    /// <summary>All visible members, in the ordinal order of their lines.</summary>
    public static IReadOnlyList<ApiMember> Of(AssemblyDefinition assembly) =>
        [.. assembly.MainModule.Types.SelectMany(Members).OrderBy(member => member.Line, StringComparer.Ordinal)];

    private static IEnumerable<ApiMember> Members(TypeDefinition type)
    {
        if (!ApiShape.IsVisible(type))
            yield break;
        yield return new(TypeLine(type), type);
        if (ApiShape.IsDelegate(type))
            yield break;

        string owner = ApiNames.Type(type) + " :: ";
        foreach (FieldDefinition field in type.Fields.Where(field => ApiShape.IsVisible(field) && !field.IsSpecialName))
            yield return new(owner + Field(field) + Marks(field), field);
        foreach (PropertyDefinition property in type.Properties.Where(property => ApiShape.IsVisible(property.GetMethod) || ApiShape.IsVisible(property.SetMethod)))
            yield return new(owner + Property(property) + Marks(property), property);
        foreach (EventDefinition @event in type.Events.Where(@event => ApiShape.IsVisible(@event.AddMethod)))
            yield return new(owner + $"event {Prefix(@event.AddMethod)}{ApiNames.Type(@event.EventType)} {@event.Name}" + Marks(@event), @event);
        foreach (MethodDefinition method in type.Methods.Where(method => ApiShape.IsVisible(method) && !IsAccessor(method)))
        {
            if (!method.IsConstructor)
                yield return new(owner + Method(method) + Marks(method), method);
            else if (!method.IsStatic)
                yield return new(owner + $"ctor {ApiShape.Access(method)}({Parameters(method.Parameters)})" + Marks(method), method);
        }
        foreach (ApiMember member in type.NestedTypes.SelectMany(Members))
            yield return member;
    }

    private static string TypeLine(TypeDefinition type)
    {
        string head = $"{ApiNames.Type(type)} = {ApiShape.Access(type)} ";
        // A nested type repeats the type parameters of the type around it; their constraints are written there.
        string constraints = Constraints(type.GenericParameters.Skip(type.DeclaringType?.GenericParameters.Count ?? 0));
        if (ApiShape.IsDelegate(type))
        {
            MethodDefinition invoke = type.Methods.Single(method => method.Name == "Invoke");
            return $"{head}delegate {Returned(invoke)} ({Parameters(invoke.Parameters)}){constraints}{Marks(type)}";
        }

        string bases = string.Join(", ", Bases(type));
        string flags = type.IsEnum && ApiShape.Has(type, "System.FlagsAttribute") ? " [Flags]" : "";
        return $"{head}{ApiShape.Kind(type)}{(bases.Length > 0 ? " : " : "")}{bases}{constraints}{flags}{Usage(type)}{Marks(type)}";
    }

    private static IEnumerable<string> Bases(TypeDefinition type)
    {
        if (type.IsEnum)
        {
            TypeReference underlying = type.Fields.Single(field => field.Name == "value__").FieldType;
            return underlying.FullName == "System.Int32" ? [] : [ApiNames.Type(underlying)];
        }
        IEnumerable<string> interfaces = type.Interfaces.Select(i => i.InterfaceType).Where(ApiShape.IsVisible).Select(ApiNames.Type).Order(StringComparer.Ordinal);
        return type.BaseType is null or { FullName: "System.Object" or "System.ValueType" } ? interfaces : interfaces.Prepend(ApiNames.Type(type.BaseType));
    }

    private static string Usage(TypeDefinition type)
    {
        if (ApiShape.Find(type, "System.AttributeUsageAttribute") is not { } usage)
            return "";
        IEnumerable<string> settings = usage.Properties.OrderBy(setting => setting.Name, StringComparer.Ordinal)
            .Select(setting => $", {setting.Name} = {ApiNames.Constant(setting.Argument.Type, setting.Argument.Value)}");
        CustomAttributeArgument targets = usage.ConstructorArguments[0];
        return $" [AttributeUsage({ApiNames.Constant(targets.Type, targets.Value)}{string.Concat(settings)})]";
    }

    private static string Field(FieldDefinition field)
    {
        if (field.DeclaringType.IsEnum)
            return $"enumvalue {field.Name} = {ApiNames.Literal(field.Constant)}";
        string modifiers = field.IsLiteral
            ? "const "
            : (field.IsStatic ? "static " : "") + (field.IsInitOnly ? "readonly " : "")
                + (field.FieldType is RequiredModifierType { ModifierType.FullName: Compiler + "IsVolatile" } ? "volatile " : "");
        string value = field.HasConstant ? " = " + ApiNames.Constant(field.FieldType, field.Constant) : "";
        return $"field {ApiShape.Access(field)}{modifiers}{ApiNames.Type(field.FieldType)} {field.Name}{value}";
    }

    private static string Property(PropertyDefinition property)
    {
        MethodDefinition? getter = ApiShape.IsVisible(property.GetMethod) ? property.GetMethod : null;
        MethodDefinition? setter = ApiShape.IsVisible(property.SetMethod) ? property.SetMethod : null;
        // The property takes the wider access of the two; the narrower accessor states its own.
        MethodDefinition main = getter is not null && (setter is null || Width(getter) >= Width(setter)) ? getter : setter!;
        string Accessor(MethodDefinition? accessor, string word) =>
            accessor is null ? "" : (ApiShape.Access(accessor) == ApiShape.Access(main) ? "" : ApiShape.Access(accessor)) + word + "; ";
        bool isInit = setter?.ReturnType is RequiredModifierType { ModifierType.Name: "IsExternalInit" };

        string name = property.HasParameters ? $"this[{Parameters(main.Parameters.Take(property.Parameters.Count))}]" : property.Name;
        string type = getter is not null ? Returned(getter) : ApiNames.Type(property.PropertyType);
        string required = ApiShape.Has(property, Compiler + "RequiredMemberAttribute") ? "required " : "";
        return $"property {Prefix(main)}{required}{type} {name} {{ {Accessor(getter, "get")}{Accessor(setter, isInit ? "init" : "set")}}}";
    }

    private static string Method(MethodDefinition method)
    {
        bool isOperator = method.IsSpecialName && method.Name.StartsWith("op_", StringComparison.Ordinal);
        string name = isOperator ? method.Name["op_".Length..] : method.Name;
        string generic = method.HasGenericParameters ? $"<{string.Join(", ", method.GenericParameters.Select(parameter => parameter.Name))}>" : "";
        string self = ApiShape.Has(method, Compiler + "ExtensionAttribute") ? "this " : "";
        string variable = method.CallingConvention == MethodCallingConvention.VarArg ? ", __arglist" : "";
        return $"{(isOperator ? "operator" : "method")} {Prefix(method)}{Returned(method)} {name}{generic}({self}{Parameters(method.Parameters)}{variable}){Constraints(method.GenericParameters)}";
    }

    private static int Width(MethodDefinition method) => method.IsPublic ? 2 : method.IsFamilyOrAssembly ? 1 : 0;

    private static string Prefix(MethodDefinition method) => ApiShape.Access(method) + ApiShape.Modifiers(method);

    private static bool IsAccessor(MethodDefinition method) => method.IsGetter || method.IsSetter || method.IsAddOn || method.IsRemoveOn;

    private static string Returned(MethodDefinition method)
    {
        TypeReference type = method.ReturnType is IModifierType modified ? modified.ElementType : method.ReturnType;
        if (type is not ByReferenceType reference)
            return ApiNames.Type(type);
        return (ApiShape.Has(method.MethodReturnType, Compiler + "IsReadOnlyAttribute") ? "ref readonly " : "ref ") + ApiNames.Type(reference.ElementType);
    }

    private static string Parameters(IEnumerable<ParameterDefinition> parameters) => string.Join(", ", parameters.Select(Parameter));

    private static string Parameter(ParameterDefinition parameter)
    {
        TypeReference type = parameter.ParameterType is RequiredModifierType modified ? modified.ElementType : parameter.ParameterType;
        string passing = "";
        if (type is ByReferenceType reference)
        {
            type = reference.ElementType;
            passing = parameter is { IsOut: true, IsIn: false } ? "out "
                : ApiShape.Has(parameter, Compiler + "RequiresLocationAttribute") ? "ref readonly "
                : parameter.ParameterType is RequiredModifierType { ModifierType.Name: "InAttribute" } || ApiShape.Has(parameter, Compiler + "IsReadOnlyAttribute") ? "in "
                : "ref ";
        }
        if (ApiShape.Has(parameter, "System.ParamArrayAttribute") || ApiShape.Has(parameter, Compiler + "ParamCollectionAttribute"))
            passing += "params ";
        return $"{passing}{ApiNames.Type(type)} {(string.IsNullOrEmpty(parameter.Name) ? "_" : parameter.Name)}{Default(parameter, type)}";
    }

    private static string Default(ParameterDefinition parameter, TypeReference type)
    {
        if (parameter.HasConstant)
            return " = " + ApiNames.Constant(type, parameter.Constant);
        if (ApiShape.Find(parameter, Compiler + "DecimalConstantAttribute") is { } constant)
        {
            // (scale, sign, high, middle, low)
            long[] parts = [.. constant.ConstructorArguments.Select(part => Convert.ToInt64(part.Value, CultureInfo.InvariantCulture))];
            var value = new decimal(unchecked((int)parts[4]), unchecked((int)parts[3]), unchecked((int)parts[2]), parts[1] != 0, (byte)parts[0]);
            return string.Create(CultureInfo.InvariantCulture, $" = {value}m");
        }
        return parameter.IsOptional ? " = default" : "";
    }

    private static string Constraints(IEnumerable<GenericParameter> parameters) => string.Concat(parameters.Select(parameter =>
    {
        bool isUnmanaged = parameter.Constraints.Any(constraint => constraint.ConstraintType is RequiredModifierType { ModifierType.Name: "UnmanagedType" });
        var words = new List<string>();
        if (parameter.HasReferenceTypeConstraint)
            words.Add("class");
        if (isUnmanaged || parameter.HasNotNullableValueTypeConstraint)
            words.Add(isUnmanaged ? "unmanaged" : "struct");
        words.AddRange(parameter.Constraints
            .Select(constraint => constraint.ConstraintType is IModifierType modified ? modified.ElementType : constraint.ConstraintType)
            .Where(type => type.FullName != "System.ValueType").Select(ApiNames.Type));
        if (parameter.HasDefaultConstructorConstraint && !parameter.HasNotNullableValueTypeConstraint)
            words.Add("new()");
        return words.Count == 0 ? "" : $" where {parameter.Name} : {string.Join(", ", words)}";
    }));

    // [Experimental] and [Obsolete], but not the [Obsolete] that compilers put on ref structs and required members.
    private static string Marks(ICustomAttributeProvider member)
    {
        string marks = "";
        if (ApiShape.Find(member, "System.Diagnostics.CodeAnalysis.ExperimentalAttribute") is { } experimental)
            marks += $" [Experimental({ApiNames.Literal(experimental.ConstructorArguments[0].Value)})]";
        if (ApiShape.Find(member, "System.ObsoleteAttribute")?.ConstructorArguments is not { } arguments)
            return marks;
        if (arguments.Count == 0)
            return marks + " [Obsolete]";
        if (arguments[0].Value is string text && (text.StartsWith("Types with embedded references", StringComparison.Ordinal)
                || text.StartsWith("Constructors of types with required members", StringComparison.Ordinal)))
            return marks;
        return $"{marks} [Obsolete({ApiNames.Literal(arguments[0].Value)}{(arguments is [_, { Value: true }, ..] ? ", error" : "")})]";
    }
}
