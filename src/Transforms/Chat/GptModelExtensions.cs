using Microsoft.Extensions.AI;

namespace MLNet.Gpt;

/// <summary>A <see cref="GptModel"/> behind the interfaces of Microsoft.Extensions.AI.</summary>
public static class GptModelExtensions
{
    /// <summary>The model as a chat client. Disposing the client does not dispose the model.</summary>
    /// <param name="model">The model, which has a chat template.</param>
    /// <param name="options">Settings for calls that leave them open; null for the defaults, with the model's own <see cref="GptModel.Generation"/>.</param>
    /// <exception cref="ChatTemplateException">The model has no chat template.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static IChatClient AsChatClient(this GptModel model, GptChatClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new GptChatClient(model, options ?? GptChatClientOptions.Of(model));
    }

    /// <summary>The model as an embedding generator. Disposing the generator does not dispose the model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Pooling, truncation, batch size; null for the defaults.</param>
    /// <param name="modelId">The name that the generator goes by.</param>
    /// <exception cref="HiddenStatesUnavailableException">The model gives no hidden states: an ONNX package of an earlier version or of another exporter. Thrown by the first call.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or the name is empty.</exception>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(this GptModel model, EmbedTextOptions? options = null, string modelId = "gpt")
    {
        ArgumentNullException.ThrowIfNull(model);
        return new GptEmbeddingGenerator(model, options ?? new EmbedTextOptions(), modelId);
    }
}
