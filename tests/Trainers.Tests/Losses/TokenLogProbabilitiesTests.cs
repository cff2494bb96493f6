using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class TokenLogProbabilitiesTests
{
    [TestMethod]
    public void A_case_worked_by_hand()
    {
        // C = 1, V = 2, W = (ln 3, 0): the logits of h = 1 are (ln 3, 0), so p = (3/4, 1/4); those of h = 0 are (0, 0), so p = (1/2, 1/2).
        // ∂log p_t/∂h = W_t − Σ p·W: at h = 1, t = 0: ln 3·(1 − 3/4) = ln 3/4; at h = 0, t = 1: 0 − ln 3/2.
        // ∂Σ/∂W = Σ h·(onehot − p): the first token gives (1/4, −1/4), the second, of h = 0, nothing.
        using var scope = NewDisposeScope();
        Tensor hidden = tensor(new float[] { 1, 0 }).view(2, 1).requires_grad_(), head = tensor(new[] { MathF.Log(3), 0 }).view(2, 1).requires_grad_();
        Tensor found = TokenLogProbabilities.Of(hidden, head, tensor(new long[] { 0, 1 }));
        AreEqual([Math.Log(3.0 / 4), Math.Log(1.0 / 2)], found, 1e-6);
        Backward(found.sum());
        AreEqual([Math.Log(3) / 4, -Math.Log(3) / 2], hidden.grad!, 1e-6);
        AreEqual([0.25, -0.25], head.grad!, 1e-6);
    }

    [TestMethod]
    public void A_heads_gradient_in_bfloat16_loses_nothing_over_many_chunks()
    {
        // W = 0: p = 1/8 for each of 8 tokens, and all 1,024 targets are token 0. ∂Σ/∂W = Σ h·(onehot − p), h = ½: 1,024·½·7/8 = 448 for token 0 and −1,024·½·⅛ = −64 for the others. A chunk of 4 tokens adds 7/4,
        // which bfloat16's 8 bits no longer hold behind 128.
        using var scope = NewDisposeScope();
        Tensor hidden = ones([1_024, 4], ScalarType.BFloat16).mul_(0.5), head = zeros([8, 4], ScalarType.BFloat16).requires_grad_();
        Backward(TokenLogProbabilities.Of(hidden, head, zeros([1_024], ScalarType.Int64), chunkElements: 8 * 4).sum());
        AreEqual([.. Enumerable.Range(0, 32).Select(static i => i < 4 ? 448.0 : -64)], head.grad!.to(ScalarType.Float32), 0);
    }

    // 13 tokens in chunks of 1, 3, 13 and (the default) all: the last chunk is often a rest.
    [TestMethod]
    [DataRow(1L)]
    [DataRow(7L * 3)]
    [DataRow(7L * 13)]
    [DataRow(null)]
    public void Values_and_gradients_are_those_of_log_softmax_over_all_logits(long? chunkElements)
    {
        using var scope = NewDisposeScope();
        (Tensor hidden, Tensor head, Tensor targets, Tensor upstream) = Case(13, 5, 7);
        Tensor wideHidden = hidden.to(ScalarType.Float64).detach().requires_grad_(), wideHead = head.to(ScalarType.Float64).detach().requires_grad_();
        Tensor expected = wideHidden.mm(wideHead.t()).log_softmax(1).gather(1, targets.unsqueeze(1)).view(-1);
        (expected * upstream.to(ScalarType.Float64)).sum().backward();

        Tensor found = TokenLogProbabilities.Of(hidden.requires_grad_(), head.requires_grad_(), targets, chunkElements);
        Backward((found * upstream).sum());
        // Products of 5 terms of size 1 in float32.
        AreEqual(expected.detach().data<double>().ToArray(), found, 2e-6);
        AreEqual(wideHidden.grad!.data<double>().ToArray(), hidden.grad!, 5e-6);
        AreEqual(wideHead.grad!.data<double>().ToArray(), head.grad!, 5e-6);
    }

    [TestMethod]
    public void The_gradient_is_the_finite_difference()
    {
        using var scope = NewDisposeScope();
        (Tensor hidden, Tensor head, Tensor targets, Tensor upstream) = Case(4, 3, 6);
        Backward((TokenLogProbabilities.Of(hidden.requires_grad_(), head, targets) * upstream).sum());
        using var noGradient = no_grad();
        const float Step = 1e-2f;   // the difference's own error is of its square
        for (int i = 0; i < 12; i++)
        {
            Tensor shift = zeros(12).index_fill_(0, tensor(new long[] { i }), Step).view(4, 3);
            double difference = (Value(hidden + shift) - Value(hidden - shift)) / (2 * Step);
            Assert.AreEqual(difference, hidden.grad!.view(-1)[i].item<float>(), 1e-3, $"element {i}");
        }

        double Value(Tensor h) => (TokenLogProbabilities.Of(h, head, targets) * upstream).sum().item<float>();
    }

    [TestMethod]
    public void Only_what_wants_a_gradient_gets_one_and_without_gradients_nothing_is_kept()
    {
        using var scope = NewDisposeScope();
        (Tensor hidden, Tensor head, Tensor targets, _) = Case(5, 3, 6);
        Backward(TokenLogProbabilities.Of(hidden.requires_grad_(), head, targets).sum());
        Assert.IsNotNull(hidden.grad);
        Assert.IsNull(head.grad);
        Backward(TokenLogProbabilities.Of(hidden.detach(), head.requires_grad_(), targets).sum());
        Assert.IsNotNull(head.grad);
        using (no_grad()) Assert.IsFalse(TokenLogProbabilities.Of(hidden, head, targets).requires_grad);
        Assert.IsFalse(TokenLogProbabilities.Of(hidden.detach(), head.detach(), targets).requires_grad);
    }

    [TestMethod]
    public void In_bfloat16_the_products_alone_are_rounded()
    {
        using var scope = NewDisposeScope();
        (Tensor hidden, Tensor wide, Tensor targets, Tensor upstream) = Case(64, 32, 50);
        Tensor head = wide.to(ScalarType.BFloat16).detach().requires_grad_();
        Tensor found = TokenLogProbabilities.Of(hidden.requires_grad_(), head, targets, 50 * 24);
        Assert.AreEqual(ScalarType.Float32, found.dtype);
        Backward((found * upstream).sum());
        Assert.AreEqual(ScalarType.Float32, hidden.grad!.dtype);
        Assert.AreEqual(ScalarType.BFloat16, head.grad!.dtype);

        // Of the rounded head and states; a logit of size 6 is rounded by up to 2^-7 in bfloat16, gradients of size 1 by 2^-8 a product and sum.
        Tensor h = hidden.detach().to(ScalarType.BFloat16).to(ScalarType.Float32).requires_grad_(), w = head.detach().to(ScalarType.Float32).requires_grad_();
        Tensor expected = h.mm(w.t()).log_softmax(1).gather(1, targets.unsqueeze(1)).view(-1);
        (expected * upstream).sum().backward();
        Assert.IsLessThan(0.08, (expected - found).abs().max().item<float>());
        Assert.IsLessThan(0.02, ((h.grad! - hidden.grad!).norm() / h.grad!.norm()).item<float>());
        Assert.IsLessThan(0.02, ((w.grad! - head.grad!.to(ScalarType.Float32)).norm() / w.grad!.norm()).item<float>());
    }

    [TestMethod]
    public void A_networks_gradient_through_it_is_that_of_the_language_model_loss()
    {
        var config = new GptConfig { VocabularySize = 19, ContextLength = 8, EmbeddingSize = 16, LayerCount = 2, HeadCount = 2 };
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(config, GptDevice.Cpu, seed: 5);
        Tensor ids = randint(0, 19, [3, 8], ScalarType.Int64), targets = ids.view(-1).roll(-1, 0);
        float loss = LanguageModelPass.Backward(network, network.Hidden(ids), targets, 0.5).item<float>();
        float[] expected = network.Parameters.GradientSum.data<float>().ToArray();
        network.Parameters.ZeroGradient();
        Tensor sum = TokenLogProbabilities.Of(network.Hidden(ids), network.TokenEmbedding, targets).sum();
        Assert.AreEqual(loss, -sum.item<float>(), 1e-4);
        BackwardPass.Run(sum, tensor(-0.5f));
        float[] found = network.Parameters.GradientSum.data<float>().ToArray();
        double scale = expected.Max(Math.Abs);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-5 * scale);
    }

    [TestMethod]
    public void It_leaves_no_tensor_behind()
    {
        Pass();
        long before = Tensor.TotalCount;
        for (int i = 0; i < 3; i++) Pass();
        Assert.AreEqual(before, Tensor.TotalCount);

        static void Pass()
        {
            using var scope = NewDisposeScope();
            (Tensor hidden, Tensor head, Tensor targets, _) = Case(13, 5, 7);
            Tensor sum = TokenLogProbabilities.Of(hidden.requires_grad_(), head.requires_grad_(), targets, 21).sum();
            Backward(sum);
            hidden.grad!.Dispose();
            head.grad!.Dispose();
        }
    }

    [TestMethod]
    public void Not_all_logits_are_held_at_once()
    {
        if (!AvailableMemory.TryResetPeak()) Assert.Inconclusive("This system does not reset the peak of a process's memory.");
        // 4,096 tokens × 16,384 logits of 4 bytes: 256 MiB.
        long all = LogitsMeasurement.Tokens * LogitsMeasurement.Vocabulary * sizeof(float);
        Assert.IsGreaterThan(all, LogitsMeasurement.Of(chunked: false), "the measurement sees the logits where they are held");
        Assert.IsLessThan(all / 4, LogitsMeasurement.Of(chunked: true));
    }

    /// <summary>Random numbers of size 1: (N, C), (V, C), (N) tokens and (N) the gradient from above.</summary>
    private static (Tensor Hidden, Tensor Head, Tensor Targets, Tensor Upstream) Case(long n, long c, long v)
    {
        using var generator = new Generator(11);
        return (randn([n, c], generator: generator), randn([v, c], generator: generator), randint(0, v, [n], ScalarType.Int64, generator: generator), randn([n], generator: generator));
    }

    private static void Backward(Tensor sum) => BackwardPass.Run(sum, ones_like(sum));

    private static void AreEqual(double[] expected, Tensor found, double tolerance)
    {
        float[] values = found.detach().contiguous().data<float>().ToArray();
        Assert.HasCount(expected.Length, values);
        for (int i = 0; i < values.Length; i++) Assert.AreEqual(expected[i], values[i], tolerance, $"element {i}");
    }
}
