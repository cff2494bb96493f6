namespace MLNet.Gpt;

/// <summary>What happens to a training example that has more tokens than the context holds.</summary>
public enum ExampleOverflow
{
    /// <summary>Training does not begin: a <see cref="TrainingExampleException"/> counts them.</summary>
    Error,

    /// <summary>The first tokens are dropped, as many as needed. An example whose last completion does not fit whole behind a token of its prompt is left out.</summary>
    KeepTail,

    /// <summary>The last tokens are dropped, the one that ends the completion among them. An example of which no completion token is left is left out.</summary>
    KeepHead,

    /// <summary>The example is left out, as InstructGPT's authors did with long prompts (Ouyang et al. 2022, appendix C).</summary>
    Skip,
}
