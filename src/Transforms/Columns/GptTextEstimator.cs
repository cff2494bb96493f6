using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>An estimator with nothing to learn: fitting checks the schema and gives the transformer.</summary>
/// <typeparam name="TTransformer">The transformer.</typeparam>
/// <remarks>Immutable; may be used from several threads. Made by <see cref="GptTransformsCatalog"/>.</remarks>
public sealed class GptTextEstimator<TTransformer> : IEstimator<TTransformer>
    where TTransformer : GptTextTransformer
{
    private readonly TTransformer _transformer;

    internal GptTextEstimator(IHostEnvironment environment, TTransformer transformer)
    {
        _transformer = transformer;
        transformer.Environment = environment;
    }

    /// <summary>Checks that the input has the columns to read. No row is looked at.</summary>
    /// <param name="input">The data.</param>
    /// <returns>The transformer.</returns>
    /// <exception cref="ColumnMismatchException">An input column is missing, or is not text.</exception>
    public TTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _transformer.GetOutputSchema(input.Schema);
        return _transformer;
    }

    /// <summary>The columns of the input and those that are added; one of the same name takes the other's place.</summary>
    /// <param name="inputSchema">The input's shape.</param>
    /// <exception cref="ColumnMismatchException">An input column is missing, or is not text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return TextColumnShape.Add(inputSchema, _transformer.Operation.Inputs, _transformer.Operation.Outputs);
    }
}
