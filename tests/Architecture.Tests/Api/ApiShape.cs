using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Api;

/// <summary>What of an assembly can be seen from outside, and the modifiers that are part of its shape.</summary>
internal static class ApiShape
{
    public static bool IsVisible(TypeDefinition type) => type.DeclaringType is not { } outer
        ? type.IsPublic
        : IsVisible(outer) && (type.IsNestedPublic || (!outer.IsSealed && (type.IsNestedFamily || type.IsNestedFamilyOrAssembly)));

    // A protected member of a sealed class can't be reached.
    public static bool IsVisible(MethodDefinition? method) => method is not null
        && (method.IsPublic || ((method.IsFamily || method.IsFamilyOrAssembly) && (!method.DeclaringType.IsSealed || method.DeclaringType.IsInterface)));

    public static bool IsVisible(FieldDefinition field) =>
        field.IsPublic || (!field.DeclaringType.IsSealed && (field.IsFamily || field.IsFamilyOrAssembly));

    /// <summary>Whether an interface in a base list can be seen: it, and every type argument of it.</summary>
    public static bool IsVisible(TypeReference type)
    {
        if (type is GenericParameter)
            return true;
        if (type is GenericInstanceType instance && !instance.GenericArguments.All(IsVisible))
            return false;
        if (type is TypeSpecification specification and not GenericInstanceType)
            return IsVisible(specification.ElementType);
        try
        {
            return type.Resolve() is not { } definition || IsVisible(definition);
        }
        catch (AssemblyResolutionException)
        {
            return true; // from an assembly that isn't here, so public there
        }
    }

    public static bool Has(ICustomAttributeProvider provider, string attribute) => Find(provider, attribute) is not null;

    public static CustomAttribute? Find(ICustomAttributeProvider provider, string attribute) =>
        provider.HasCustomAttributes ? provider.CustomAttributes.FirstOrDefault(a => a.AttributeType.FullName == attribute) : null;

    public static bool IsDelegate(TypeDefinition type) => type.BaseType?.FullName == "System.MulticastDelegate";

    public static string Access(MethodDefinition method) =>
        method.IsPublic ? "" : method.IsFamilyOrAssembly ? "protected internal " : "protected ";

    public static string Access(FieldDefinition field) =>
        field.IsPublic ? "" : field.IsFamilyOrAssembly ? "protected internal " : "protected ";

    public static string Access(TypeDefinition type) =>
        type.IsPublic || type.IsNestedPublic ? "public" : type.IsNestedFamilyOrAssembly ? "protected internal" : "protected";

    public static string Modifiers(MethodDefinition method) => method switch
    {
        { DeclaringType.IsInterface: true, IsStatic: true } => method.IsAbstract ? "static abstract " : "static ",
        { DeclaringType.IsInterface: true } => method.IsAbstract ? "" : "default ",
        { IsStatic: true } => "static ",
        { IsAbstract: true } => method.IsNewSlot ? "abstract " : "abstract override ",
        { IsVirtual: true, IsNewSlot: true } => method.IsFinal ? "" : "virtual ", // final: implements an interface
        { IsVirtual: true } => method.IsFinal ? "sealed override " : "override ",
        _ => "",
    };

    public static string Kind(TypeDefinition type)
    {
        if (type.IsEnum)
            return "enum";
        if (type.IsInterface)
            return "interface";
        if (type.IsValueType)
        {
            return (Has(type, "System.Runtime.CompilerServices.IsReadOnlyAttribute") ? "readonly " : "")
                + (Has(type, "System.Runtime.CompilerServices.IsByRefLikeAttribute") ? "ref " : "") + "struct";
        }
        return (type.IsAbstract, type.IsSealed) switch
        {
            (true, true) => "static ",
            (true, false) => "abstract ",
            (false, true) => "sealed ",
            _ => "",
        } + "class";
    }
}
