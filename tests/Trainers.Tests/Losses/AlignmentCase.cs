using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

/// <summary>A case of tests/reference/alignment_losses.py, computed by PyTorch in float64.</summary>
internal sealed class AlignmentCase
{
    /// <summary>Float32 against float64, sums of at most 40 terms of size 1.</summary>
    private const double Tolerance = 1e-5;

    private static readonly JsonElement All = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fixtures", "alignment_losses.json"))).RootElement;
    private readonly JsonElement _case;
    private readonly Dictionary<string, Tensor> _inputs = [];

    public AlignmentCase(string name)
    {
        _case = All.GetProperty(name);
        JsonElement gradients = _case.GetProperty("gradients");
        foreach (JsonProperty input in _case.GetProperty("inputs").EnumerateObject())
        {
            Tensor value = tensor(input.Value.GetProperty("values").Deserialize<float[]>()!).view(input.Value.GetProperty("shape").Deserialize<long[]>()!);
            _inputs[input.Name] = gradients.TryGetProperty(input.Name, out _) ? value.requires_grad_() : value;
        }
    }

    public Tensor this[string input] => _inputs[input];

    /// <summary>Compares an output.</summary>
    public void IsOutput(string name, Tensor actual) => AreClose(name, _case.GetProperty("outputs").GetProperty(name).Deserialize<double[]>()!, actual);

    /// <summary>Compares an output, both in ascending order.</summary>
    public void IsOutputInAnyOrder(string name, Tensor actual) => AreClose(name, _case.GetProperty("outputs").GetProperty(name).Deserialize<double[]>()!, actual.flatten().sort().Values);

    /// <summary>Compares ∂loss/∂input of every input that the reference has a gradient of.</summary>
    public void HasGradients(Tensor loss)
    {
        loss.backward();
        int compared = 0;
        foreach (JsonProperty gradient in _case.GetProperty("gradients").EnumerateObject())
        {
            Assert.IsNotNull(_inputs[gradient.Name].grad, $"{gradient.Name} has no gradient");
            AreClose($"gradient of {gradient.Name}", gradient.Value.Deserialize<double[]>()!, _inputs[gradient.Name].grad!);
            compared++;
        }

        Assert.IsGreaterThan(0, compared);
    }

    private static void AreClose(string name, double[] expected, Tensor actual)
    {
        float[] found = [.. actual.detach().to(ScalarType.Float32).flatten().data<float>()];
        Assert.HasCount(expected.Length, found, name);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], Tolerance * Math.Max(1, Math.Abs(expected[i])), $"{name}[{i}]");
    }
}
