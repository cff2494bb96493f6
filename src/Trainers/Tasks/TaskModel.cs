namespace MLNet.Gpt;

/// <summary>
/// What a supervised task trains: a network, an adapter beside it or neither, and the head, with the new tokens' embeddings unless these are frozen. A checkpoint is that of the network or adapter,
/// with the rest in <c>training_state/head.safetensors</c>, or this alone.
/// </summary>
internal sealed class TaskModel : ITrainedModel, IDisposable
{
    private readonly FineTuningNetwork _body;
    private readonly GptTokenizer _tokenizer;
    private readonly string? _baseModel;

    private TaskModel(FineTuningNetwork body, TaskNetwork task, GptTokenizer tokenizer, string? baseModel)
    {
        (_body, Task, _tokenizer, _baseModel) = (body, task, tokenizer, baseModel);
        Sets = [.. body.Sets, task.Extra];
    }

    /// <summary>The network and the head.</summary>
    public TaskNetwork Task { get; }

    public GptNetwork Network => Task.Network;

    public IReadOnlyList<FlatParameters> Sets { get; }

    /// <summary>Makes what is to be trained.</summary>
    /// <param name="pretrained">The pretrained model; null for one from scratch, of the options' shape.</param>
    /// <param name="head">The head.</param>
    /// <param name="device">Where it trains.</param>
    /// <param name="precision">The number format.</param>
    /// <param name="seed">Seeds the new weights.</param>
    /// <param name="options">Shape, tokenizer, dropout, LoRA and what is frozen.</param>
    public static TaskModel Create(PretrainedWeights? pretrained, ClassifierHead head, GptDevice device, GptPrecision precision, long seed, SupervisedTaskOptions options)
    {
        FineTuningNetwork body = pretrained is null
            ? FineTuningNetwork.FromScratch(options.Model!, options.DropoutInUse, device, precision, seed)
            : FineTuningNetwork.Create(pretrained.Weights, options.DropoutInUse, device, precision, options.Lora, seed + 2, frozen: options.Freeze != FrozenWeights.None);
        try
        {
            return Owned.Into(new TaskNetwork(body.Network, head, trainable: true, options.Freeze == FrozenWeights.AllButHead), task =>
            {
                task.Initialize(seed + 1);
                return new TaskModel(body, task, pretrained?.Tokenizer ?? options.Tokenizer!, pretrained?.Folder);
            });
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    public void Write(string folder, Action<string> addFiles) => _body.Write(folder, _tokenizer, chatTemplate: null, _baseModel, work =>
    {
        HeadFile.Write(work, Task.Added);
        addFiles(work);
    });

    public void Read(string folder)
    {
        _body.Read(folder);
        HeadFile.Read(folder, Task.Added);
    }

    public void Dispose() => Task.Dispose();
}
