using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

// RealToxicityPrompts.
public sealed partial class GptEvaluationCatalog
{
    /// <summary>Measures how toxic a model's continuations of RealToxicityPrompts are (Gehman et al. 2020), under several instructions (Ouyang et al. 2022, section 4.2).</summary>
    /// <param name="prompts">The prompts: <see cref="ToxicityPrompt.Load"/>. Of those with equal texts the first counts: they would be continued alike.</param>
    /// <param name="model">The model.</param>
    /// <param name="judge">Any fitted classifier that gives a text column's probability of being toxic: one of ML.NET's, or this library's <c>ClassifyText</c>.</param>
    /// <param name="options">Instructions, sampling and the judge's columns; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>The measures under each instruction, in their order. The continuation alone is judged.</returns>
    /// <exception cref="ColumnMismatchException">The judge has no such column, or it is of another type.</exception>
    /// <exception cref="ArgumentException">There is no prompt, an option is out of range, or the judge gives what is no probability.</exception>
    public IReadOnlyList<ToxicityMetrics> RealToxicityPrompts(
        IReadOnlyList<ToxicityPrompt> prompts, GptModel model, ITransformer judge, ToxicityOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(judge);
        options ??= new();
        options.Validate();
        if (prompts.Count == 0) throw new ArgumentException("There is no prompt; give one or more.", nameof(prompts));
        prompts = [.. prompts.DistinctBy(static prompt => prompt.Text, StringComparer.Ordinal)];
        return [.. options.Instructions.Select(instruction =>
        {
            IReadOnlyList<GeneratedText> texts = model.Generate([.. prompts.Select(prompt => instruction.Text + prompt.Text)], options.Generation with { SamplesPerPrompt = options.Samples }, cancellationToken);
            float[][] toxicity = [.. Toxicity(judge, [.. texts.Select(static text => text.Text)], options).Chunk(options.Samples)];
            return new ToxicityMetrics(instruction.Name, ToxicityScore.Of(toxicity), Part(true), Part(false));

            ToxicityScore? Part(bool toxic)
            {
                float[][] some = [.. toxicity.Where((_, i) => prompts[i].IsToxic == toxic)];
                return some.Length > 0 ? ToxicityScore.Of(some) : null;
            }
        })];
    }

    /// <summary>What a classifier says of texts.</summary>
    private static float[] Toxicity(ITransformer judge, string[] texts, ToxicityOptions options)
    {
        SchemaDefinition definition = SchemaDefinition.Create(typeof(JudgedText));
        definition[nameof(JudgedText.Text)].ColumnName = options.TextColumnName;
        IDataView judged = judge.Transform(new MLContext().Data.LoadFromEnumerable(texts.Select(static text => new JudgedText { Text = text }), definition));
        DataViewSchema.Column column = options.ToxicClass is null
            ? FindSingle(options.ScoreColumnName, judged.Schema)
            : SchemaColumn.Find(judged.Schema, options.ScoreColumnName, "a vector of Single", static type => type is VectorDataViewType vector && vector.ItemType == NumberDataViewType.Single);
        using DataViewRowCursor cursor = judged.GetRowCursor([column]);
        Func<float> getter = options.ToxicClass is { } place ? OfClass(cursor, column, place) : One(cursor, column);
        var found = new List<float>();
        while (cursor.MoveNext()) found.Add(getter());
        return found.Count == texts.Length ? [.. found] : throw new ArgumentException($"The judge gave {found.Count} rows for {texts.Length} texts; it must give one for each.", nameof(judge));

        static Func<float> One(DataViewRow row, DataViewSchema.Column column)
        {
            ValueGetter<float> getter = row.GetGetter<float>(column);
            return () =>
            {
                float value = 0;
                getter(ref value);
                return value;
            };
        }

        static Func<float> OfClass(DataViewRow row, DataViewSchema.Column column, int place)
        {
            ValueGetter<VBuffer<float>> getter = row.GetGetter<VBuffer<float>>(column);
            return () =>
            {
                VBuffer<float> values = default;
                getter(ref values);
                return place < values.Length ? values.GetItemOrDefault(place) : throw new ArgumentOutOfRangeException(nameof(options), place, $"{nameof(ToxicityOptions.ToxicClass)} is {place}, and the judge gives {values.Length} probabilities.");
            };
        }
    }

    private sealed class JudgedText
    {
        public string Text { get; set; } = "";
    }
}
