namespace MLNet.Gpt;

// Other heads over the same trunk.
public sealed partial class GptModel
{
    /// <summary>The heads that the model's package has beside the language model's, by their names; empty for a model that is no package (<see cref="OnnxExportOptions.Heads"/>).</summary>
    public IReadOnlyDictionary<string, OnnxHeadKind> Heads => (Engine as OnnxCausalModel)?.Heads ?? new Dictionary<string, OnnxHeadKind>();

    /// <summary>Opens a classifier over this model's trunk: the two share one session, its weights and threads, and each is disposed by itself.</summary>
    /// <param name="head">The head's name, of <see cref="Heads"/>.</param>
    /// <returns>The classifier, which the caller disposes; it may outlive this model.</returns>
    /// <exception cref="UnknownHeadException">There is no classifier of this name.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public GptClassifier OpenClassifier(string head)
    {
        ArgumentNullException.ThrowIfNull(head);
        using NativeLease lease = _lifetime.Acquire();
        return Owned.Into(Package(head, OnnxHeadKind.Classifier).OpenClassifier(head), engine => new GptClassifier(engine, Tokenizer, Companions, backing: null));
    }

    /// <summary>Opens a reward model over this model's trunk: the two share one session, its weights and threads, and each is disposed by itself.</summary>
    /// <param name="head">The head's name, of <see cref="Heads"/>.</param>
    /// <returns>The reward model, which the caller disposes; it may outlive this model.</returns>
    /// <exception cref="UnknownHeadException">There is no reward model of this name.</exception>
    /// <exception cref="ChatTemplateException">The head reads conversations, and this model has no chat template.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public GptRewardModel OpenRewardModel(string head)
    {
        ArgumentNullException.ThrowIfNull(head);
        using NativeLease lease = _lifetime.Acquire();
        OnnxRewardModel engine = Package(head, OnnxHeadKind.Reward).OpenRewardModel(head);
        try
        {
            if (engine.Head.Conversations && ChatTemplate is null)
                throw new ChatTemplateException($"The head '{head}' reads conversations, and the model has no {ChatTemplate.FileName}.", "Export the language model with the chat template that the head was trained with.");
            return new GptRewardModel(engine, Tokenizer, ChatTemplate, Companions, backing: null);
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }

    private OnnxCausalModel Package(string head, OnnxHeadKind kind) => Engine as OnnxCausalModel ?? throw new UnknownHeadException(Engine.GetType().Name, head, kind, Heads);
}
