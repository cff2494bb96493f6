using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace MLNet.Gpt.Benchmarks;

/// <summary>The peer that anybody would write: a GPT of ordinary TorchSharp calls with TorchSharp's own AdamW, over the same libtorch as ours.</summary>
internal static class PlainGpt
{
    /// <summary>Trains on random windows of a text's characters.</summary>
    /// <returns>The median step in seconds, the first few left out.</returns>
    public static double Train(PretrainSetting setting, string text, GptTokenizer tokenizer, bool bfloat16)
    {
        manual_seed(1337);
        long b = setting.Batch, t = setting.Context, c = setting.Width, h = setting.Heads, v = setting.Config(tokenizer.VocabularySize).VocabularySize;
        using var program = NewDisposeScope();
        Tensor data = tensor(tokenizer.Encode(text).Select(static id => (long)id).ToArray());
        var parameters = new List<TorchSharp.Modules.Parameter>();
        TorchSharp.Modules.Parameter Make(double deviation, params long[] shape)
        {
            var parameter = new TorchSharp.Modules.Parameter(zeros(shape));
            using (no_grad()) _ = deviation < 0 ? parameter.fill_(1) : parameter.normal_(0, deviation);
            parameters.Add(parameter);
            return parameter;
        }

        TorchSharp.Modules.Parameter wte = Make(0.02, v, c), wpe = Make(0.02, t, c), gain = Make(-1, c), bias = Make(0, c);
        var blocks = Enumerable.Range(0, setting.Layers).Select(_ => (
            G1: Make(-1, c), B1: Make(0, c), Wqkv: Make(0.02, 3 * c, c), Bqkv: Make(0, 3 * c), Wo: Make(0.02 / Math.Sqrt(2 * setting.Layers), c, c), Bo: Make(0, c),
            G2: Make(-1, c), B2: Make(0, c), Wf: Make(0.02, 4 * c, c), Bf: Make(0, 4 * c), Wp: Make(0.02 / Math.Sqrt(2 * setting.Layers), c, 4 * c), Bp: Make(0, c))).ToArray();
        using var optimizer = optim.AdamW(parameters, lr: setting.LearningRate, beta1: 0.9, beta2: 0.99, weight_decay: 0.1);
        var times = new List<double>();
        ScalarType type = bfloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        for (int step = 0; step < setting.Steps; step++)
        {
            var clock = Stopwatch.StartNew();
            using (NewDisposeScope())
            {
                Tensor starts = randint(data.size(0) - t - 1, [b, 1], ScalarType.Int64), places = starts + arange(t);
                Tensor ids = data.index_select(0, places.reshape(-1)), targets = data.index_select(0, (places + 1).reshape(-1));
                Tensor x = (wte.index_select(0, ids).view(b, t, c) + wpe).view(b * t, c);
                foreach (var p in blocks)
                {
                    Tensor y = functional.layer_norm(x, [c], p.G1, p.B1, 1e-5).to(type);
                    Tensor[] qkv = functional.linear(y, p.Wqkv.to(type), p.Bqkv.to(type)).view(b, t, 3 * c).chunk(3, -1);
                    Tensor[] heads = [.. qkv.Select(part => part.view(b, t, h, c / h).transpose(1, 2))];
                    y = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_casual: true).transpose(1, 2).reshape(b * t, c);
                    x = x + functional.linear(y, p.Wo.to(type), p.Bo.to(type)).to(ScalarType.Float32);
                    y = functional.layer_norm(x, [c], p.G2, p.B2, 1e-5).to(type);
                    y = functional.gelu(functional.linear(y, p.Wf.to(type), p.Bf.to(type)), TorchSharp.Modules.GELU.Approximate.tanh);
                    x = x + functional.linear(y, p.Wp.to(type), p.Bp.to(type)).to(ScalarType.Float32);
                }

                Tensor logits = functional.linear(functional.layer_norm(x, [c], gain, bias, 1e-5).to(type), wte.to(type));
                Tensor loss = functional.cross_entropy(logits.to(ScalarType.Float32), targets);
                loss.backward();
                nn.utils.clip_grad_norm_(parameters, 1.0);
                optimizer.step();
                optimizer.zero_grad();
            }

            times.Add(clock.Elapsed.TotalSeconds);
        }

        int warmUp = PretrainSetting.WarmUpOf(times.Count);
        return times.Skip(warmUp).Order().ElementAt((times.Count - warmUp) / 2);
    }
}
