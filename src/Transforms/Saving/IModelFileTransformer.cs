using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>A transformer that <see cref="ModelFile"/> makes again.</summary>
internal interface IModelFileTransformer : ITransformer
{
    /// <summary>The context that made it: it says where temporary files go while it is saved. Null for the system's folder.</summary>
    IHostEnvironment? Environment { get; set; }
}
