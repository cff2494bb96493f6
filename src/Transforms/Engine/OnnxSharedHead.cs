namespace MLNet.Gpt;

/// <summary>A head over the trunk of an open package: its session is the language model's, which stays open until this is disposed.</summary>
internal sealed class OnnxSharedHead : IOnnxHead
{
    private readonly OnnxCausalModel _model;
    private readonly NativeLease _lease;
    private readonly PackageHead _head;

    /// <param name="model">The open package.</param>
    /// <param name="lease">A use of the model; the head's from now on.</param>
    /// <param name="head">One of its heads.</param>
    public OnnxSharedHead(OnnxCausalModel model, NativeLease lease, PackageHead head) => (_model, _lease, _head) = (model, lease, head);

    public OnnxPackage Package => ((IOnnxPackaged)_model).Package;

    public GptDevice Device => _model.Device;

    public string? TokenizerHash => _model.TokenizerHash;

    /// <summary>The head's name in the package.</summary>
    public string Name => _head.Name;

    /// <summary>The open package.</summary>
    public OnnxCausalModel Model => _model;

    public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, int outputRows, Span<float> outputs, CancellationToken cancellationToken) =>
        Compute(_model, _head, tokenIds, lengths, outputs, cancellationToken);

    public void Dispose() => _lease.Dispose();

    /// <summary>Computes a head's outputs: (R, …), or where S rows belong together, (R / S, K).</summary>
    public static void Compute(OnnxCausalModel model, PackageHead head, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken)
    {
        // The head's own tokens stand elsewhere than in a package of its own, where they follow the vocabulary.
        int vocabulary = model.Config.VocabularySize, rows = lengths.Length, t = tokenIds.Length / rows, group = head.SequencesPerOutput;
        int[] ids = tokenIds.ToArray();
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] >= vocabulary) ids[i] += head.FirstTokenId - vocabulary;
        }

        int width = head.OutputsOf(t, model.Config);
        Span<float> computed = group == 1 ? outputs : new float[rows * width];
        OnnxRowPass.Compute(model, ids, lengths, adapterOfRow: null, head.Output, [rows, width], computed, model.KeepNoLogits, cancellationToken);
        if (group == 1) return;
        outputs.Clear();
        for (int i = 0; i < computed.Length; i++) outputs[(i / (group * width) * width) + (i % width)] += computed[i];
    }
}
