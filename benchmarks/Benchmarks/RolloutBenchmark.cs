using System.Diagnostics;
using System.Text.Json;
using TorchSharp;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Rollouts of a policy under training in tokens/s, beside a PyTorch loop with a preallocated cache, and how much of a PPO step they take.</summary>
internal static class RolloutBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int batch = arguments.Int("--batch", quick ? 8 : 64), prompt = arguments.Int("--prompt", 32), fresh = arguments.Int("--new", quick ? 16 : 64), repeats = arguments.Int("--repeats", quick ? 2 : 5);
        var shape = new GptConfig { VocabularySize = 8_192, ContextLength = 256, EmbeddingSize = arguments.Int("--width", quick ? 96 : 384), LayerCount = arguments.Int("--layers", quick ? 2 : 6), HeadCount = 6 };
        arguments.RefuseOthers();
        Console.WriteLine(FormattableString.Invariant($"rollout: {shape.ParameterCount:N0} parameters, {batch} prompts of {prompt} tokens, {fresh} new tokens each, temperature 1"));
        JsonElement peer = Peer.Run("rollout.py", ("--vocabulary", shape.VocabularySize), ("--context", shape.ContextLength), ("--width", shape.EmbeddingSize), ("--layers", shape.LayerCount), ("--heads", shape.HeadCount),
            ("--batch", batch), ("--prompt", prompt), ("--new", fresh), ("--repeats", repeats));

        // As the trainer has it: policy, reference and value model, one update of all responses.
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([string.Concat(Enumerable.Range(0, 4_000).Select(static i => (char)(0x4E00 + i)))]);
        using GptModel start = new(new TorchCausalModel(new GptNetwork(shape, GptDevice.Cpu, seed: 1)), tokenizer);
        var options = new PolicyOptimizationOptions
        {
            Pretrained = start, BatchSize = batch, Rollout = new() { Minibatches = 1, MaxNewTokens = fresh, GenerationBatchSize = batch }, Reward = new() { Sources = [PolicyReward.OfAll(static responses => [.. responses.Select(static r => (double)r.TokenCount)])] },
        };
        using PretrainedWeights weights = options.Pretrained.Open();
        using var rewards = new RewardScorer(options.Reward, tokenizer, null, GptDevice.Cpu);
        using PolicyTrainedModel model = PolicyTrainedModel.Create(weights, null, null, null, GptDevice.Cpu, GptPrecision.Float32, seed: 1, options);
        var random = new Random(1);
        PolicyPrompt[] prompts = [.. Enumerable.Range(0, batch).Select(i => new PolicyPrompt(i, "", [.. Enumerable.Range(0, prompt).Select(_ => random.Next(4_000))]))];
        var sampler = new PolicySampler(model.Network, tokenizer, [], options.Rollout);
        var rollouts = new PolicyRollouts(model, sampler, rewards, prompts, options, rowsAtOnce: batch, seed: 1);
        var optimizers = new TrainableSets(model.Sets, new AdamWOptions());
        List<double> speeds = [], shares = [];
        for (int i = 0; i <= repeats; i++)
        {
            double drawn = Seconds(() => sampler.Draw(prompts, [.. Enumerable.Range(0, batch)], 1, i, default), out IReadOnlyList<RolloutRow> rows);
            Rollout rollout = null!;
            double made = Seconds(() => rollouts.Make(new() { Rollouts = i }).Rollout, out rollout);
            double updated = Seconds(() =>
            {
                using var scope = torch.NewDisposeScope();
                PolicyUpdate.Backward(model, rollout.Rows, rollout.Rows, rollout.KlCoefficient, valueOnly: false, options);
                optimizers.Step(1e-6, optimizers.GradientNorm());
                optimizers.ZeroGradient();
                return 0;
            }, out _);
            if (i == 0) continue;   // warms up
            speeds.Add(rows.Sum(static row => row.Response.Length) / drawn);
            shares.Add(Math.Min(1, drawn / (made + updated)));
        }

        optimizers.Dispose();
        double ours = speeds.Order().ElementAt(speeds.Count / 2), theirs = peer.GetProperty("tokens_per_second").GetDouble(), share = shares.Order().ElementAt(shares.Count / 2);
        Console.WriteLine(FormattableString.Invariant($"MLNet.Gpt {ours:N0} tokens/s (median of {repeats}); PyTorch {peer.GetProperty("torch").GetString()} {theirs:N0} tokens/s; drawing responses takes {share:P0} of a PPO step with one inner epoch"));
        Console.WriteLine(FormattableString.Invariant($"rollout ours={ours:F0} peer={theirs:F0} ratio={ours / theirs:F3} unit=tokens/s rollout_share={share:F3}"));
        return 0;

        static double Seconds<T>(Func<T> work, out T result)
        {
            var clock = Stopwatch.StartNew();
            result = work();
            return clock.Elapsed.TotalSeconds;
        }
    }
}
