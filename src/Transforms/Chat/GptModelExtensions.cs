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

    /// <summary>
    /// The form of an answer for <see cref="ChatOptions.ResponseFormat"/>. With <see cref="TextConstraint.Json{T}"/> whatever answer is whole can be deserialized: its schema has the ranges of the type's numbers and the forms of its texts, which the
    /// schemas that Microsoft.Extensions.AI makes of types lack.
    /// </summary>
    /// <param name="constraint">A constraint of the kind <see cref="TextConstraintKind.JsonSchema"/>. Chat clients write no white space between the parts of JSON, whatever it says of that.</param>
    /// <exception cref="UnsupportedOptionException">The constraint is of another kind.</exception>
    /// <exception cref="ConstraintException">The schema is no JSON.</exception>
    public static ChatResponseFormat AsResponseFormat(this TextConstraint constraint)
    {
        ArgumentNullException.ThrowIfNull(constraint);
        if (constraint.Kind != TextConstraintKind.JsonSchema) throw new UnsupportedOptionException(nameof(constraint.Kind), constraint.Kind, $"A chat's formats are JSON; make the constraint with {nameof(TextConstraint)}.{nameof(TextConstraint.Json)}, {nameof(TextConstraint.JsonSchema)} or {nameof(TextConstraint.JsonObject)}, or set it as the client's own.");
        return ChatResponseFormat.ForJsonSchema(JsonSchemaReader.Parse(constraint.Source));
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
