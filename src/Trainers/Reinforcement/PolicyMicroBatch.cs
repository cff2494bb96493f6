namespace MLNet.Gpt;

/// <summary>The micro-batch of a policy's run whose options leave it to a search: responses as long as they can be behind the longest prompt.</summary>
internal static class PolicyMicroBatch
{
    /// <summary>Searches.</summary>
    /// <param name="model">What is trained; it is left as it was.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="options">Those of the run.</param>
    /// <param name="log">Is told what was chosen.</param>
    /// <returns>A divisor of the batch size.</returns>
    /// <exception cref="TrainingOutOfMemoryException">Not even one response fits.</exception>
    public static int Find(PolicyTrainedModel model, IReadOnlyList<PolicyPrompt> prompts, PolicyOptimizationOptions options, Action<string> log)
    {
        int[] prompt = prompts.MaxBy(static p => p.Tokens.Length)!.Tokens;
        int length = options.Rollout.MaxNewTokens;
        using var search = new MicroBatchSearch(model.Network, model.Sets, TrainingMemory.Of(model, options.Run), log);
        return search.Find(options.BatchSize, 1, prompt.Length + length - 1, rows =>
        {
            RolloutRow[] batch = [.. Enumerable.Range(0, rows).Select(_ => new RolloutRow(0, prompt, new int[length], IsComplete: false)
            {
                LogProbabilities = new float[length], ReferenceLogProbabilities = new float[length], Values = new float[length], Advantages = new float[length], Returns = new float[length],
            })];
            (TorchSharp.torch.Tensor loss, TorchSharp.torch.Tensor sums) = PolicyUpdate.Backward(model, batch, batch, options.KlCoefficient, valueOnly: false, options);
            loss.Dispose();
            sums.Dispose();
        });
    }
}
