using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>A base's weights with a LoRA adapter's products added: W + s·Aᵀ·Bᵀ (Hu et al. 2021, section 4.1). Each product is made when its weight is read.</summary>
internal sealed class MergedWeights(IGptWeights weights, LoraCheckpoint adapter) : IGptWeights
{
    private readonly Dictionary<string, (GptParameterInfo A, GptParameterInfo B)> _terms =
        LoraLayout.TermsOf(weights.Config, adapter.Options).ToDictionary(static term => term.Weight, static term => (term.A, term.B), StringComparer.Ordinal);

    public GptConfig Config => weights.Config;

    public void Read(string name, Span<float> destination)
    {
        weights.Read(name, destination);                              // (in, out)
        if (!_terms.TryGetValue(name, out (GptParameterInfo A, GptParameterInfo B) term)) return;
        int rank = (int)term.A.Shape[0], input = (int)term.A.Shape[1], output = (int)term.B.Shape[0];
        float[] a = new float[rank * input], b = new float[output * rank], row = new float[rank];
        adapter.Read(term.A.Name, a);                                 // (r, in)
        adapter.Read(term.B.Name, b);                                 // (out, r)
        float scale = (float)adapter.Options.Scale;
        for (int i = 0; i < input; i++)
        {
            for (int r = 0; r < rank; r++) row[r] = scale * a[(r * input) + i];
            for (int o = 0; o < output; o++) destination[(i * output) + o] += TensorPrimitives.Dot(row, b.AsSpan(o * rank, rank));
        }
    }
}
