namespace MLNet.Gpt;

/// <summary>What a prompt's text is.</summary>
public enum PromptForm
{
    /// <summary>Text that the model continues.</summary>
    Text,

    /// <summary>
    /// A conversation in JSON, <c>[{"role":"user","content":"…"}, …]</c>, that the assistant is to answer. The model needs a <see cref="ChatTemplate"/>; the answer ends at its
    /// <see cref="ChatTemplate.EndOfTurn"/>.
    /// </summary>
    Conversation,
}
