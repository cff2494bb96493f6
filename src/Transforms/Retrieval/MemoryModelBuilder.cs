#pragma warning disable MEVD9001 // the services for stores are marked as experimental
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData.ProviderServices;

namespace MLNet.Gpt;

/// <summary>Reads which of a record's properties are key, data and vectors.</summary>
internal sealed class MemoryModelBuilder() : CollectionModelBuilder(new CollectionModelBuildingOptions { SupportsMultipleVectors = true, RequiresAtLeastOneVector = false })
{
    protected override bool IsDataPropertyTypeValid(Type type, [NotNullWhen(false)] out string? supportedTypes)
    {
        supportedTypes = null;
        return true;
    }

    protected override bool IsVectorPropertyTypeValid(Type type, [NotNullWhen(false)] out string? supportedTypes)
    {
        supportedTypes = "ReadOnlyMemory<float>, Embedding<float>, float[]";
        return (Nullable.GetUnderlyingType(type) ?? type) is var plain && (plain == typeof(ReadOnlyMemory<float>) || plain == typeof(Embedding<float>) || plain == typeof(float[]));
    }
}
