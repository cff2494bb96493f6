using System.Reflection;

namespace Microsoft.ML.Runtime;

/// <summary>The loadable classes of the assemblies that were registered.</summary>
internal sealed class ComponentCatalog
{
    private const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic;

    private readonly HashSet<string> _assemblies = [];
    private readonly Dictionary<(string Name, Type Signature), Func<IHostEnvironment, object[], object>> _factories = [];

    public void RegisterAssembly(Assembly assembly)
    {
        lock (_assemblies)
        {
            if (!_assemblies.Add(assembly.FullName))
                return;
            foreach (var attribute in assembly.GetCustomAttributes<LoadableClassAttribute>())
            {
                var factory = FindFactory(attribute);
                foreach (string name in attribute.LoadNames)
                {
                    if (!_factories.TryAdd((name.ToLowerInvariant(), attribute.SignatureType), factory))
                        throw Contracts.Except($"ComponentCatalog cannot map name '{name}' and SignatureType '{attribute.SignatureType}' to {attribute.InstanceType.Name}, already mapped.");
                }
            }
        }
    }

    public bool TryCreateInstance(IHostEnvironment env, Type signature, string name, object[] args, out object instance)
    {
        Func<IHostEnvironment, object[], object> factory;
        lock (_assemblies)
            _factories.TryGetValue((name.ToLowerInvariant(), signature), out factory);
        instance = factory?.Invoke(env, args);
        return factory is not null;
    }

    /// <summary>A constructor or a static Create method, with the environment before the signature's parameters or without.</summary>
    private static Func<IHostEnvironment, object[], object> FindFactory(LoadableClassAttribute attribute)
    {
        var types = attribute.SignatureType.GetMethod("Invoke").GetParameters().Select(parameter => parameter.ParameterType).ToArray();
        foreach (bool withEnvironment in (bool[])[false, true])
        {
            Type[] all = withEnvironment ? [typeof(IHostEnvironment), .. types] : types;
            var create = attribute.LoaderType.GetMethod("Create", Any | BindingFlags.Static, all);
            if (create is not null && create.ReturnType == attribute.InstanceType)
                return (env, args) => Invoke(values => create.Invoke(null, values), withEnvironment ? [env, .. args] : args);
            var constructor = attribute.InstanceType == attribute.LoaderType
                ? attribute.LoaderType.GetConstructor(Any | BindingFlags.Instance, all)
                : null;
            if (constructor is not null)
                return (env, args) => Invoke(constructor.Invoke, withEnvironment ? [env, .. args] : args);
        }
        throw Contracts.Except($"Can't instantiate loadable class '{attribute.InstanceType.Name}' with name '{attribute.LoadNames[0]}': "
            + $"{attribute.LoaderType.Name} has neither a constructor nor a Create method for {attribute.SignatureType.Name}.");
    }

    // As in the original, what another assembly's loader throws arrives inside a TargetInvocationException.
    private static object Invoke(Func<object[], object> call, object[] args)
    {
        try
        {
            return call(args);
        }
        catch (TargetInvocationException exception) when (exception.InnerException is { } inner && Contracts.IsMarked(inner))
        {
            throw Contracts.Except("Error during class instantiation", exception);
        }
    }
}
