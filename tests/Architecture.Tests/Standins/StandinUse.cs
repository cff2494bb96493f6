using Mono.Cecil;
using MLNet.Gpt.Architecture.Tests.Api;

namespace MLNet.Gpt.Architecture.Tests.Standins;

/// <summary>
/// Which members of the stand-ins are used. A member is, when
/// <list type="number">
/// <item>the metadata of a user refers to it: a call, a field access, a type anywhere in a signature, an attribute and its named arguments;
/// a property is one member, so either accessor will do;</item>
/// <item>a user implements or overrides it. Of an interface that a user implements, all members count, and of an abstract class that
/// it derives from, all abstract ones: they can't be left out;</item>
/// <item>a member that is used needs it: the types in its signature, the bases of a type, the type around a nested one, the constant
/// that is a default value, the other half of a pair of operators;</item>
/// <item>it implements or overrides a used member, or one from outside the stand-ins (such as <c>IDisposable.Dispose</c>), and its type is used;
/// and the base member that a used override overrides;</item>
/// <item>it is a constant or an enum value, which compilers copy, and some source file of a user names it: <c>Type.Member</c>.</item>
/// </list>
/// </summary>
internal sealed class StandinUse
{
    // op_X and its partner, which C# demands.
    private static readonly Dictionary<string, string> OperatorPairs = Pairs(
        ("Equality", "Inequality"), ("LessThan", "GreaterThan"), ("LessThanOrEqual", "GreaterThanOrEqual"), ("True", "False"));

    private readonly HashSet<AssemblyDefinition> _standins;
    private readonly HashSet<IMemberDefinition> _used = [];
    private readonly Queue<IMemberDefinition> _pending = new();
    private readonly HashSet<string> _named; // Type.Member, as the sources name them

    /// <param name="standins">The assemblies whose members are in question.</param>
    /// <param name="users">The assemblies that may use them.</param>
    /// <param name="named">Every <c>Type.Member</c> that the users' source files name.</param>
    public StandinUse(IEnumerable<AssemblyDefinition> standins, IEnumerable<AssemblyDefinition> users, IEnumerable<string> named)
    {
        _standins = [.. standins];
        _named = [.. named];
        foreach (AssemblyDefinition user in users)
        {
            MarkReferences(user.MainModule);
            foreach (TypeDefinition type in user.MainModule.GetTypes())
                MarkContracts(type);
        }
        MarkNamedConstants();
        do
        {
            while (_pending.TryDequeue(out IMemberDefinition? member))
                MarkWhatItNeeds(member);
            MarkImplementations();
        }
        while (_pending.Count > 0);
    }

    public bool IsUsed(ApiMember member) => _used.Contains(member.Declaration);

    private static Dictionary<string, string> Pairs(params (string, string)[] pairs) =>
        pairs.SelectMany(pair => new[] { pair, (pair.Item2, pair.Item1) }).ToDictionary(pair => "op_" + pair.Item1, pair => "op_" + pair.Item2);

    // 1. What the metadata names.
    private void MarkReferences(ModuleDefinition module)
    {
        foreach (TypeReference type in module.GetTypeReferences())
            MarkType(type);
        foreach (MemberReference member in module.GetMemberReferences())
            Mark(Definition(member));
        IEnumerable<ICustomAttributeProvider> providers = module.GetTypes().SelectMany(type => (IEnumerable<ICustomAttributeProvider>)
            [type, .. type.Fields, .. type.Properties, .. type.Events, .. type.Methods, .. type.Methods.SelectMany(method => method.Parameters)]);
        foreach (CustomAttribute attribute in providers.Append(module).Append(module.Assembly).SelectMany(provider => provider.CustomAttributes))
            MarkNamedArguments(attribute);
    }

    private void MarkNamedArguments(CustomAttribute attribute)
    {
        string[] names = [.. attribute.Properties.Concat(attribute.Fields).Select(argument => argument.Name)];
        if (names.Length == 0)
            return;
        for (TypeDefinition? type = attribute.AttributeType.Resolve(); IsStandin(type); type = type!.BaseType?.Resolve())
        {
            foreach (IMemberDefinition member in type!.Properties.Concat<IMemberDefinition>(type.Fields).Where(member => names.Contains(member.Name)))
                Mark(member);
        }
    }

    // 2. What a user's type implements, derives from and overrides.
    private void MarkContracts(TypeDefinition type)
    {
        foreach (TypeDefinition contract in type.Interfaces.Select(i => i.InterfaceType.Resolve()).Where(IsStandin))
            MarkInterface(contract);
        for (TypeDefinition? parent = type.BaseType?.Resolve(); IsStandin(parent); parent = parent!.BaseType?.Resolve())
        {
            Mark(parent);
            foreach (MethodDefinition method in parent!.Methods.Where(method => method.IsAbstract))
                Mark(method);
            foreach (MethodDefinition method in parent.Methods.Where(method => method.IsVirtual && type.Methods.Any(own => Overrides(own, method))))
                Mark(method);
        }
    }

    private void MarkInterface(TypeDefinition contract)
    {
        Mark(contract);
        foreach (MethodDefinition method in contract.Methods)
            Mark(method);
        foreach (TypeDefinition parent in contract.Interfaces.Select(i => i.InterfaceType.Resolve()).Where(IsStandin))
            MarkInterface(parent);
    }

    // 3. What a used member can't do without.
    private void MarkWhatItNeeds(IMemberDefinition member)
    {
        if (member.DeclaringType is { } owner)
            Mark(owner);
        switch (member)
        {
            case TypeDefinition type:
                MarkType(type.BaseType);
                foreach (InterfaceImplementation contract in type.Interfaces.Where(i => ApiShape.IsVisible(i.InterfaceType)))
                    MarkType(contract.InterfaceType);
                MarkConstraints(type.GenericParameters);
                if (ApiShape.IsDelegate(type))
                    MarkSignature(type.Methods.Single(method => method.Name == "Invoke"));
                break;
            case MethodDefinition method:
                MarkSignature(method);
                foreach (PropertyDefinition property in method.DeclaringType.Properties.Where(property => property.GetMethod == method || property.SetMethod == method))
                    Mark(property);
                foreach (EventDefinition @event in method.DeclaringType.Events.Where(@event => @event.AddMethod == method || @event.RemoveMethod == method))
                    Mark(@event);
                if (OperatorPairs.TryGetValue(method.Name, out string? partner))
                {
                    foreach (MethodDefinition other in method.DeclaringType.Methods.Where(other => other.Name == partner && SameParameters(other, method)))
                        Mark(other);
                }
                if (method is { IsVirtual: true, IsNewSlot: false })
                {
                    for (TypeDefinition? parent = method.DeclaringType.BaseType?.Resolve(); IsStandin(parent); parent = parent!.BaseType?.Resolve())
                    {
                        foreach (MethodDefinition overridden in parent!.Methods.Where(overridden => Overrides(method, overridden)))
                            Mark(overridden);
                    }
                }
                break;
            case PropertyDefinition property:
                MarkType(property.PropertyType);
                Mark(property.GetMethod);
                Mark(property.SetMethod);
                break;
            case EventDefinition @event:
                MarkType(@event.EventType);
                break;
            case FieldDefinition field:
                MarkType(field.FieldType);
                break;
        }
    }

    private void MarkSignature(MethodDefinition method)
    {
        MarkType(method.ReturnType);
        MarkConstraints(method.GenericParameters);
        foreach (ParameterDefinition parameter in method.Parameters)
        {
            MarkType(parameter.ParameterType);
            if (parameter is { HasConstant: true, Constant: not null } && parameter.ParameterType.Resolve() is { IsEnum: true } type && IsStandin(type))
                Mark(type.Fields.FirstOrDefault(value => value.HasConstant && Equals(value.Constant, parameter.Constant)));
        }
    }

    private void MarkConstraints(IEnumerable<GenericParameter> parameters)
    {
        foreach (GenericParameterConstraint constraint in parameters.SelectMany(parameter => parameter.Constraints))
            MarkType(constraint.ConstraintType);
    }

    // 4. What a used type has to have, because its bases declare it.
    private void MarkImplementations()
    {
        foreach (TypeDefinition type in _used.OfType<TypeDefinition>().ToList())
        {
            foreach (MethodDefinition method in type.Methods.Where(method => method.IsVirtual && ApiShape.IsVisible(method) && !_used.Contains(method)))
            {
                if (Declarations(method).Any(declaration => !IsStandin(declaration.DeclaringType) || _used.Contains(declaration)))
                    Mark(method);
            }
        }
    }

    // The interface and base class members that a method implements or overrides.
    private static IEnumerable<MethodDefinition> Declarations(MethodDefinition method)
    {
        for (TypeDefinition? type = method.DeclaringType; type is not null; type = type.BaseType?.Resolve())
        {
            if (type != method.DeclaringType && !method.IsNewSlot)
            {
                foreach (MethodDefinition overridden in type.Methods.Where(overridden => overridden.IsVirtual && Overrides(method, overridden)))
                    yield return overridden;
            }
            foreach (MethodDefinition declared in Interfaces(type).SelectMany(contract => contract.Methods).Where(declared => Overrides(method, declared)))
                yield return declared;
        }
    }

    private static IEnumerable<TypeDefinition> Interfaces(TypeDefinition type) => type.Interfaces
        .Select(i => i.InterfaceType.Resolve()).Where(contract => contract is not null)
        .SelectMany(contract => Interfaces(contract).Prepend(contract));

    // 5. Constants and enum values leave no trace in metadata.
    private void MarkNamedConstants()
    {
        foreach (FieldDefinition field in _standins.SelectMany(assembly => assembly.MainModule.GetTypes()).SelectMany(type => type.Fields).Where(field => field.HasConstant))
        {
            if (_named.Contains($"{field.DeclaringType.Name}.{field.Name}"))
                Mark(field);
        }
    }

    private void MarkType(TypeReference? type)
    {
        switch (type)
        {
            case null or GenericParameter:
                return;
            case GenericInstanceType instance:
                foreach (TypeReference argument in instance.GenericArguments)
                    MarkType(argument);
                MarkType(instance.ElementType);
                return;
            case FunctionPointerType function:
                MarkType(function.ReturnType);
                foreach (ParameterDefinition parameter in function.Parameters)
                    MarkType(parameter.ParameterType);
                return;
            case TypeSpecification specification:
                MarkType(specification.ElementType);
                return;
            default:
                Mark(type.Resolve());
                return;
        }
    }

    private void Mark(IMemberDefinition? member)
    {
        TypeDefinition? type = member as TypeDefinition ?? member?.DeclaringType;
        if (member is not null && IsStandin(type) && _used.Add(member))
            _pending.Enqueue(member);
    }

    private bool IsStandin(TypeDefinition? type) => type is not null && _standins.Contains(type.Module.Assembly);

    private static IMemberDefinition? Definition(MemberReference member) => member switch
    {
        MethodReference method => method.Resolve(),
        FieldReference field => field.Resolve(),
        _ => null,
    };

    // Names and numbers of parameters are compared, not their types, which generic bases would first have to be substituted in.
    // That can only make more members count as used where overloads of equal length differ.
    private static bool Overrides(MethodDefinition method, MethodDefinition declared) =>
        method.Name == declared.Name && method.Parameters.Count == declared.Parameters.Count && method.GenericParameters.Count == declared.GenericParameters.Count;

    private static bool SameParameters(MethodDefinition one, MethodDefinition other) =>
        one.Parameters.Select(parameter => parameter.ParameterType.FullName).SequenceEqual(other.Parameters.Select(parameter => parameter.ParameterType.FullName));
}
