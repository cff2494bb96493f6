using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>A transformer's part of a model file, unpacked into a private folder that goes when nothing of it is used any more.</summary>
internal sealed class ModelFileContents(string kind, string settings, PrivateFolder folder, GptDevice device, bool fallbackToCpu, Action<string> warn) : IDisposable
{
    private PrivateFolder? _folder = folder;

    /// <summary>A hash over all files and their names: the same for two transformers over the same model.</summary>
    public string ContentHash { get; set; } = "";

    /// <summary>The part of a second model; null where there is none.</summary>
    public ModelFileContents? Second { get; set; }

    public static CorruptFileException Corrupt(string problem, Exception? innerException = null) =>
        new("the ML.NET model file", problem, "Save the pipeline again, or copy the file again.", innerException);

    /// <summary>The transformer's columns and options.</summary>
    public TSettings ReadSettings<TSettings>()
    {
        try
        {
            return SettingsJson.Read<TSettings>(settings);
        }
        catch (JsonException exception)
        {
            throw Corrupt($"the settings of its transformer '{kind}' are not understood: {exception.Message}", exception);
        }
    }

    /// <summary>Writes a file into the folder.</summary>
    /// <exception cref="DiskFullException">There is no room for it.</exception>
    /// <exception cref="FolderNotWritableException">It can't be written.</exception>
    public T Write<T>(string name, Func<Stream, T> write)
    {
        string path = Path.Combine(_folder!.Path, name);
        try
        {
            using FileStream file = File.Create(path);
            return write(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(exception, path, _folder.Path);
        }
    }

    /// <summary>Reads a file that is the transformer's own and deletes it: the folder stays as long as the model is open.</summary>
    public T TakeFile<T>(string name, Func<string, T> read)
    {
        string path = Path.Combine(_folder!.Path, name);
        T value = read(path);
        File.Delete(path);
        return value;
    }

    /// <summary>Gives the folder away; the taker disposes it.</summary>
    public PrivateFolder TakeFolder() => Interlocked.Exchange(ref _folder, null) ?? throw new InvalidOperationException("The folder has been taken.");

    /// <summary>
    /// Opens the files as a model on ONNX Runtime, or joins one that is open from the same files on the same device, and makes a transformer that owns its share of it.
    /// </summary>
    public TTransformer OpenModel<TTransformer>(Func<GptModel, IDisposable, TTransformer> create) =>
        OpenModel((folder, on, backing) => GptModel.FromOnnx(folder, on, options: null, backing), create);

    /// <summary>The same for any kind of model.</summary>
    public TTransformer OpenModel<TModel, TTransformer>(Func<string, GptDevice, IDisposable, TModel> open, Func<TModel, IDisposable, TTransformer> create)
        where TModel : class, IDisposable
    {
        SharedModels.Share<TModel> share;
        try
        {
            share = Open(device, open);
        }
        catch (DeviceUnavailableException exception) when (device.IsCuda && fallbackToCpu)
        {
            warn($"{exception.Message} Falling back to the CPU, as MLContext.FallbackToCpu says.");
            share = Open(GptDevice.Cpu, open);
        }

        try
        {
            return create(share.Model, share);
        }
        catch (ArgumentException exception)
        {
            share.Dispose();
            throw Corrupt($"the settings of its transformer '{kind}' are out of range: {exception.Message}", exception);
        }
        catch
        {
            share.Dispose();
            throw;
        }
    }

    /// <summary>The same for a classifier: a model of its own, or one of the heads over the trunk of a language model, with which it shares the weights.</summary>
    public TTransformer OpenClassifier<TTransformer>(Func<GptClassifier, IDisposable, TTransformer> create) => ReadUsedHead() is { } head
        ? OpenModel((model, share) => OpenHead(model.OpenClassifier, head, share, create))
        : OpenModel((folder, on, backing) => GptClassifier.FromOnnx(folder, on, options: null, head: null, backing), create);

    /// <summary>The same for a reward model.</summary>
    public TTransformer OpenReward<TTransformer>(Func<GptRewardModel, IDisposable, TTransformer> create) => ReadUsedHead() is { } head
        ? OpenModel((model, share) => OpenHead(model.OpenRewardModel, head, share, create))
        : OpenModel((folder, on, backing) => GptRewardModel.FromOnnx(folder, on, options: null, head: null, backing), create);

    /// <summary>The same for a policy and its reward model.</summary>
    public TTransformer OpenPolicyAndReward<TTransformer>(Func<GptModel, GptRewardModel, IDisposable, TTransformer> create)
    {
        ModelFileContents second = Second ?? throw Corrupt($"the reward model of its transformer '{kind}' is missing.");
        return second.OpenReward(
            (reward, rewardShare) => OpenModel((policy, policyShare) => create(policy, reward, new OwnedPair(policyShare, rewardShare))));
    }

    public void Dispose() => _folder?.Dispose();

    private static TTransformer OpenHead<TModel, TTransformer>(Func<string, TModel> open, string head, IDisposable share, Func<TModel, IDisposable, TTransformer> create)
        where TModel : class, IDisposable
    {
        TModel model = open(head);
        try
        {
            return create(model, new OwnedPair(model, share));
        }
        catch
        {
            model.Dispose(); // the share is the caller's
            throw;
        }
    }

    private string? ReadUsedHead()
    {
        string path = Path.Combine(_folder!.Path, OnnxPackageLayout.UsedHeadFile);
        return File.Exists(path) ? File.ReadAllText(path) : null;
    }

    private SharedModels.Share<TModel> Open<TModel>(GptDevice on, Func<string, GptDevice, IDisposable, TModel> open)
        where TModel : class, IDisposable => SharedModels.Join($"{typeof(TModel).Name} {ContentHash} {on}", () =>
    {
        TModel model = open(_folder!.Path, on, _folder);
        _folder = null; // the model's from now on
        return model;
    });
}
