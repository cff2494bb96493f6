namespace MLNet.Gpt;

/// <summary>The opened sources of a policy's rewards.</summary>
internal sealed class RewardScorer : IDisposable
{
    private readonly List<(PolicyReward Source, GptRewardModel? Model, bool IsOwn)> _sources = [];
    private readonly GptTokenizer _tokenizer;

    /// <summary>Opens the sources.</summary>
    /// <param name="options">The sources.</param>
    /// <param name="tokenizer">The policy's tokenizer.</param>
    /// <param name="template">The chat template of its prompts; null where they are texts.</param>
    /// <param name="device">Where models from folders compute.</param>
    /// <exception cref="TokenizerMismatchException">A reward model has another tokenizer.</exception>
    /// <exception cref="ChatTemplateException">A reward model reads prompts in another form.</exception>
    public RewardScorer(PolicyRewardOptions options, GptTokenizer tokenizer, ChatTemplate? template, GptDevice device)
    {
        _tokenizer = tokenizer;
        try
        {
            foreach (PolicyReward source in options.Sources)
            {
                GptRewardModel? model = source.Folder is null ? source.Model
                    : File.Exists(Path.Combine(source.Folder, OnnxPackageLayout.ModelFile)) ? GptRewardModel.FromOnnx(source.Folder, device.IsCuda ? null : device) : RewardCheckpoint.Open(source.Folder, device);
                _sources.Add((source, model, source.Folder is not null));
                if (model is not null) RequireFits(source, model, tokenizer, template);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The first reward model on TorchSharp; null where there is none.</summary>
    public RewardNetwork? Network => _sources.Select(static source => (source.Model?.Engine as TorchRewardModel)?.Network).FirstOrDefault(static network => network is not null);

    /// <summary>The reward models among the sources, by name.</summary>
    public IReadOnlyList<(string Name, GptRewardModel Model)> Models => [.. _sources.Where(static source => source.Model is not null).Select(static source => (source.Source.Name, source.Model!))];

    /// <summary>The sources' names.</summary>
    public IReadOnlyList<string> Names => [.. _sources.Select(static source => source.Source.Name)];

    /// <summary>What each source's rewards depend on, for the fingerprint of a run; of a function nobody can tell.</summary>
    /// <exception cref="CheckpointNotFoundException">The folder of a reward model's package is no longer there.</exception>
    public IEnumerable<(string Name, string Identity)> Identities => _sources.Select(static source => (source.Source.Name, FormattableString.Invariant($"weight {source.Source.Weight}") + source.Model?.Engine switch
    {
        TorchRewardModel torch => FormattableString.Invariant($", {torch.Head}, {Fingerprint.HashOf(torch.Network.Network)}"),
        OnnxRewardModel onnx => FormattableString.Invariant($", {onnx.Head}, {onnx.Shared?.Name} {Convert.ToHexString(((IOnnxPackaged)onnx).Package.ComputeFingerprint())}"),
        _ => "",
    }));

    /// <summary>Scores responses.</summary>
    /// <param name="rows">The responses.</param>
    /// <param name="prompts">The set of prompts that they answer.</param>
    /// <param name="cancellation">Ends the scoring with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Σ weight·reward of each response, and each source's own rewards.</returns>
    /// <exception cref="PolicyRewardException">A function threw or gave something else than a finite number for each response.</exception>
    public (double[] Scores, double[][] BySource) Score(IReadOnlyList<RolloutRow> rows, IReadOnlyList<PolicyPrompt> prompts, CancellationToken cancellation)
    {
        PolicyResponse[] responses = _sources.All(static source => source.Model is not null) ? [] : [.. rows.Select(row => Describe(row, prompts[row.Prompt]))];
        double[][] bySource = [.. _sources.Select(source =>
        {
            cancellation.ThrowIfCancellationRequested();
            double[] rewards = source.Model is { } model
                ? [.. model.ScoreTokens([.. rows.Select(static row => (row.PromptTokens, row.Response))], cancellationToken: cancellation).Select(static reward => (double)reward.Reward)]
                : Call(source.Source, responses, cancellation);
            if (rewards.Length != rows.Count)
                throw new PolicyRewardException(source.Source.Name, null, $"it gave {rewards.Length} rewards for {rows.Count} responses.");
            int bad = Array.FindIndex(rewards, static reward => !double.IsFinite(reward));
            return bad < 0 ? rewards : throw new PolicyRewardException(source.Source.Name, Describe(rows[bad], prompts[rows[bad].Prompt]), FormattableString.Invariant($"it is {rewards[bad]}, and must be finite."));
        })];
        return ([.. rows.Select((_, i) => bySource.Select((rewards, k) => _sources[k].Source.Weight * rewards[i]).Sum())], bySource);
    }

    public void Dispose()
    {
        foreach ((_, GptRewardModel? model, bool own) in _sources)
        {
            if (own) model!.Dispose();
        }
    }

    private static double[] Call(PolicyReward source, PolicyResponse[] responses, CancellationToken cancellation)
    {
        PolicyResponse? current = null;
        try
        {
            if (source.All is { } all) return [.. all(responses) ?? []];
            var rewards = new double[responses.Length];
            for (int i = 0; i < rewards.Length; i++)
            {
                current = responses[i];
                rewards[i] = source.Each!(current.Prompt, current.Response);
            }

            return rewards;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException && (exception is not OperationCanceledException || !cancellation.IsCancellationRequested)) // a judge's own time-out is no cancellation
        {
            throw new PolicyRewardException(source.Name, current, $"the function threw {exception.GetType().Name}: {exception.Message}", exception);
        }
    }

    private PolicyResponse Describe(RolloutRow row, PolicyPrompt prompt) =>
        new(prompt.Row, prompt.Text, _tokenizer.Decode(row.IsComplete ? row.Response[..^1] : row.Response), row.Response.Length, row.IsComplete);

    private static void RequireFits(PolicyReward source, GptRewardModel model, GptTokenizer tokenizer, ChatTemplate? template)
    {
        if (model.Tokenizer.Hash != tokenizer.Hash)
            throw new TokenizerMismatchException(source.Folder ?? source.Name, $"a tokenizer of {model.Tokenizer.VocabularySize} tokens (hash {model.Tokenizer.Hash[..8]})", $"a policy whose tokenizer has {tokenizer.VocabularySize} (hash {tokenizer.Hash[..8]})",
                "Train the reward model from the policy's own model, or wrap it in PolicyReward.Of((prompt, response) => model.Score(prompt, response).Reward), which goes by the texts.");
        if (model.Head.Conversations != template is not null)
            throw new ChatTemplateException($"The reward model '{source.Name}' reads {(model.Head.Conversations ? "conversations" : "texts")}, and the policy's prompts are {(template is null ? "texts" : "conversations")}.", "Set Generation.PromptForm to what both read.");
        if (template is not null && model.ChatTemplate != template)
            throw new ChatTemplateException($"The reward model '{source.Name}' has another chat template than the policy.", "Set ChatTemplate to the one that the reward model was trained with.");
    }
}
