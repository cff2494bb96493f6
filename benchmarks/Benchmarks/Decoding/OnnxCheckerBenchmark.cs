using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Packages of ONNX's basic operators before those who define them: onnx.checker with its shape inference, and onnx's reference evaluator, whose logits stand beside ONNX Runtime's.</summary>
internal static class OnnxCheckerBenchmark
{
    private const int Rows = 2, Tokens = 7;

    private static readonly GptConfig Shape = new() { VocabularySize = 90, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 4 };

    public static int Run(BenchmarkArguments arguments)
    {
        arguments.RefuseOthers();
        using var folder = new Core.Tests.TemporaryFolder();
        List<object> cases =
        [
            Language("pre-norm", Shape),
            Language("post-norm", Shape with { BlockForm = GptBlockForm.PostNorm }),
            Language("banded", Shape with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 }),
            Classifier("classification", new() { Task = SupervisedTask.TextClassification, Labels = ["a", "b", "c"] }),
            Classifier("similarity", new() { Task = SupervisedTask.SentenceSimilarity, Labels = ["other", "same"] }),
            Reward("reward"),
        ];
        File.WriteAllText(folder["cases.json"], JsonSerializer.Serialize(cases));
        JsonElement peer = Peer.Run("check_onnx.py", ("--cases", folder["cases.json"]));
        int accepted = 0, total = 0;
        double worst = 0;
        Console.WriteLine($"onnx-checker: onnx {peer.GetProperty("onnx").GetString()}");
        foreach (JsonElement one in peer.GetProperty("cases").EnumerateArray())
        {
            total++;
            bool isAccepted = one.GetProperty("accepted").GetBoolean();
            if (isAccepted) (accepted, worst) = (accepted + 1, Math.Max(worst, one.GetProperty("difference").GetDouble()));
            Console.WriteLine(Invariant($"{one.GetProperty("name").GetString(),-16}{(isAccepted ? Invariant($"accepted; a logit differs by {one.GetProperty("difference").GetDouble():E1} at most") : "REFUSED: " + one.GetProperty("message").GetString())}"));
        }

        Console.WriteLine(Invariant($"onnx-checker accepted={accepted} models={total} difference={worst:E2} unit=models"));
        return accepted == total && worst < 1e-5 ? 0 : 1;

        object Language(string name, GptConfig config)
        {
            OnnxExporter.Write(new RandomWeights(config), folder[name], new() { Operators = GraphOperators.Standard });
            using OnnxCausalModel model = OnnxCausalModel.Load(folder[name], GptDevice.Cpu);
            using ICausalDecoder decoder = model.BeginDecoding(Rows, Tokens);
            int[] ids = Ids(config.VocabularySize);
            float[] logits = new float[ids.Length * config.VocabularySize];
            decoder.Append(ids, default, LogitsScope.AllPositions, logits);
            Dictionary<string, object> inputs = new()
            {
                [OnnxPackageLayout.InputIds] = Matrix(ids),
                [OnnxPackageLayout.AttentionMask] = Matrix([.. ids.Select(static _ => 1)]),
                [OnnxPackageLayout.PositionIds] = Matrix([.. ids.Select(static (_, i) => i % Tokens)]),
            };
            for (int layer = 0; layer < config.LayerCount; layer++)
            {
                foreach (string past in (string[])[OnnxPackageLayout.PastKey(layer), OnnxPackageLayout.PastValue(layer)])
                    inputs[past] = new { shape = (int[])[Rows, config.HeadCount, 0, config.HeadSize], values = Array.Empty<int>() };
            }

            return Case(name, inputs, logits);
        }

        object Classifier(string name, ClassifierHead head)
        {
            OnnxExporter.WriteClassifier(new RandomClassifier(Shape, head), folder[name], new() { Operators = GraphOperators.Standard });
            using OnnxTextClassifier model = OnnxTextClassifier.Load(folder[name], GptDevice.Cpu);
            int[] ids = Ids(Shape.VocabularySize), lengths = [Tokens, Tokens - 3];
            float[] outputs = new float[Rows / head.SequencesPerOutput * head.OutputCount];
            model.Run(ids, lengths, outputs);
            return Case(name, Padded(ids, lengths), outputs);
        }

        object Reward(string name)
        {
            OnnxExporter.WriteReward(new RandomReward(Shape), folder[name], new() { Operators = GraphOperators.Standard });
            using OnnxRewardModel model = OnnxRewardModel.Load(folder[name], GptDevice.Cpu);
            int[] ids = Ids(Shape.VocabularySize), lengths = [Tokens, Tokens - 3];
            float[] rewards = new float[Rows];
            model.Run(ids, lengths, rewards);
            return Case(name, Padded(ids, lengths), rewards);
        }

        object Case(string name, Dictionary<string, object> inputs, float[] logits) => new { name, model = Path.Combine(folder[name], OnnxPackageLayout.ModelFile), inputs, logits };
    }

    private static int[] Ids(int vocabulary) => [.. Enumerable.Range(0, Rows * Tokens).Select(i => ((i * 31) + 7) % vocabulary)];

    private static object Matrix(int[] values) => new { shape = (int[])[Rows, Tokens], values };

    private static Dictionary<string, object> Padded(int[] ids, int[] lengths) => new()
    {
        [OnnxPackageLayout.InputIds] = Matrix(ids),
        [OnnxPackageLayout.AttentionMask] = Matrix([.. ids.Select((_, i) => i % Tokens < lengths[i / Tokens] ? 1 : 0)]),
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class RandomReward(GptConfig config) : IRewardWeights
    {
        private readonly RandomWeights _network = new(config);

        public GptConfig Config => config;

        public RewardHead Head { get; } = new();

        public void Read(string name, Span<float> destination)
        {
            if (RewardParameterLayout.Of(config, Head).All(parameter => parameter.Name != name)) _network.Read(name, destination);
            else for (int i = 0; i < destination.Length; i++) destination[i] = 0.02f * MathF.Cos(i);
        }
    }
}
