namespace MLNet.Gpt;

/// <summary>A model does not give its hidden states, so that it can't embed texts.</summary>
public sealed class HiddenStatesUnavailableException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="model">The model at fault: its file, or its type.</param>
    /// <param name="reason">Why it gives none, as a sentence.</param>
    /// <param name="remedy">What the user can do about it, as a sentence.</param>
    public HiddenStatesUnavailableException(string model, string reason, string remedy)
        : base($"'{model}' gives no hidden states: {reason} {remedy}") => Model = model;

    /// <summary>The model at fault: its file, or its type.</summary>
    public string Model { get; }
}
