using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>What GPT brings to an <see cref="MLContext"/>: <c>ml.Gpt()</c>. MLNet.Gpt.Trainers adds <c>Trainers</c> to it.</summary>
/// <remarks>Immutable; as thread-safe as its context.</remarks>
public sealed class GptCatalog
{
    /// <summary>Creates the catalog of a context; <c>ml.Gpt()</c> is the usual way.</summary>
    /// <param name="context">The context.</param>
    public GptCatalog(MLContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Context = context;
    }

    /// <summary>The context, whose log, seed and device the components use.</summary>
    public MLContext Context { get; }

    /// <summary>The transforms: text to tokens, prompt to text, text to likelihood or vector, columns to prompts and answers.</summary>
    public GptTransformsCatalog Transforms => new(this);

    /// <summary>Operations on data: preparing prompts.</summary>
    public GptDataCatalog Data => new(this);

    /// <summary>Measures of language models: perplexity, bits per byte, multiple choice.</summary>
    public GptEvaluationCatalog Evaluate => new(this);
}
