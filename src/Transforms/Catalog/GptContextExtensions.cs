using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>The entry point of this library: <c>ml.Gpt()</c>.</summary>
public static class GptContextExtensions
{
    /// <summary>The GPT transforms and, where MLNet.Gpt.Trainers is referenced, trainers of a context.</summary>
    /// <param name="context">The context.</param>
    public static GptCatalog Gpt(this MLContext context) => new(context);
}
