namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>What ONNX Runtime's calls leave behind of the memory that they computed in.</summary>
[TestClass]
public sealed class WorkingMemoryTests
{
    // 8,192 positions of a feed-forward layer are 34 MB, before GELU and behind it.
    private static readonly GptConfig Config = new() { VocabularySize = 32, ContextLength = 256, EmbeddingSize = 256, LayerCount = 2, HeadCount = 4 };

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void A_large_call_gives_its_memory_back_unless_it_is_to_be_kept(bool wholeRows)
    {
        using var folder = new TemporaryFolder();
        using (var network = new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 1))) network.WriteOnnxPackage(folder["package"]);
        long given = Growth(new()), kept = Growth(new() { KeepWorkingMemory = true });

        // Some 180 MB against 60, part of which the C heap has kept.
        Assert.IsGreaterThan(given + 50e6, kept, $"{given} bytes");

        long Growth(OnnxEngineOptions options)
        {
            using OnnxCausalModel model = OnnxCausalModel.Load(folder["package"], GptDevice.Cpu, options);
            float[] result = new float[wholeRows ? 32 * 256 * 256 : 32 * 32];
            Call(model, result, 4); // what the session takes once
            result.AsSpan().Clear();
            long before = Environment.WorkingSet;
            Call(model, result, 256);
            return Environment.WorkingSet - before;
        }

        void Call(OnnxCausalModel model, float[] result, int t)
        {
            int[] ids = new int[32 * t];
            if (wholeRows)
            {
                model.ComputeHiddenStates(ids, 32, result.AsSpan(0, ids.Length * 256));
                return;
            }

            using ICausalDecoder decoder = model.BeginDecoding(32, t);
            decoder.Append(ids, default, LogitsScope.LastPosition, result);
        }
    }
}
