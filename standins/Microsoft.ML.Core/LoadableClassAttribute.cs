namespace Microsoft.ML;

internal delegate void SignatureLoadModel(ModelLoadContext ctx);

/// <summary>Tells how an assembly makes the components that a model names.</summary>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
internal sealed class LoadableClassAttribute : Attribute
{
    public LoadableClassAttribute(Type instType, Type argType, Type sigType, string userName, params string[] loadNames)
        : this(instType, instType, argType, sigType, userName, loadNames) { }

    public LoadableClassAttribute(Type instType, Type loaderType, Type argType, Type sigType, string userName, params string[] loadNames)
    {
        Contracts.CheckValue(instType, nameof(instType));
        Contracts.CheckValue(loaderType, nameof(loaderType));
        Contracts.CheckParam(argType is null, nameof(argType), "Components with arguments aren't supported by the stand-in.");
        Contracts.CheckParam(sigType?.BaseType == typeof(MulticastDelegate), nameof(sigType), "LoadableClass signature type must be a delegate type");
        InstanceType = instType;
        LoaderType = loaderType;
        SignatureType = sigType;
        LoadNames = loadNames is { Length: > 0 } ? loadNames : [userName];
    }

    public Type InstanceType { get; }

    public Type LoaderType { get; }

    public Type SignatureType { get; }

    public string[] LoadNames { get; }
}
