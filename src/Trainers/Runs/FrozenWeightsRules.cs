namespace MLNet.Gpt;

/// <summary>What goes with frozen weights, and what does not.</summary>
internal static class FrozenWeightsRules
{
    /// <summary>The name of the option, and of its entry in a run's fingerprint.</summary>
    public const string Option = "Freeze";

    /// <summary>The learning rate of a head over frozen weights, where the options leave it open.</summary>
    public const double LearningRate = 1e-3;

    /// <summary>Checks that no option asks for something that frozen weights leave without effect.</summary>
    /// <param name="freeze">What is frozen.</param>
    /// <param name="lora">An adapter, or null.</param>
    /// <param name="run">The run's options.</param>
    /// <param name="hasTokens">Whether the head has tokens of its own.</param>
    /// <exception cref="ArgumentException">One does.</exception>
    public static void Check(FrozenWeights freeze, LoraOptions? lora, RunOptions run, bool hasTokens)
    {
        OptionCheck.Defined(freeze, Option);
        if (freeze == FrozenWeights.None) return;
        if (lora is not null)
            throw new ArgumentException($"{Option} is {freeze}, and Lora trains an adapter of rank {lora.Rank}; set one of them: an adapter's pretrained weights are frozen as well, and merged with it in the end.", Option);
        if (run.Dropout is { } dropout && dropout != DropoutOptions.None)
            throw new ArgumentException($"{Option} is {freeze}, and Run.Dropout is {dropout}; a frozen network computes as it does in use, without dropout: leave Run.Dropout null.", Option);
        if (run.ActivationCheckpointing && (freeze == FrozenWeights.AllButHead || !hasTokens))
            throw new ArgumentException($"{Option} is {freeze}, and Run.ActivationCheckpointing is true; no backward pass goes through the network that could compute its blocks again: leave it false.", Option);
    }
}
