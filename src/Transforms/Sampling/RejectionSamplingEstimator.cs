using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>An estimator with nothing to learn: fitting checks the schema and gives the transformer.</summary>
/// <remarks>Immutable; may be used from several threads. Made by <see cref="GptTransformsCatalog"/>.</remarks>
public sealed class RejectionSamplingEstimator : IEstimator<RejectionSamplingTransformer>
{
    private readonly RejectionSamplingTransformer _transformer;

    internal RejectionSamplingEstimator(IHostEnvironment environment, RejectionSamplingTransformer transformer)
    {
        _transformer = transformer;
        transformer.Environment = environment;
    }

    /// <summary>Checks that the input has the prompt column. No row is looked at.</summary>
    /// <param name="input">The data.</param>
    /// <returns>The transformer.</returns>
    /// <exception cref="ColumnMismatchException">The prompt column is missing, or is not text.</exception>
    public RejectionSamplingTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _transformer.GetOutputSchema(input.Schema);
        return _transformer;
    }

    /// <summary>The prompt, completion and score columns alone.</summary>
    /// <param name="inputSchema">The input's shape.</param>
    /// <exception cref="ColumnMismatchException">The prompt column is missing, or is not text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        TextColumnShape.Check(inputSchema, new TextInput(_transformer.PromptColumnName));
        return new(_transformer.Columns.Select(static column => TextColumnShape.ShapeOf(column.Name, column.Type)));
    }
}
