using System.Reflection;
using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Where a component reads itself from: its own folder in a model file.</summary>
internal sealed class ModelLoadContext : IDisposable
{
    public readonly BinaryReader Reader;

    private readonly RepositoryReader _repository;
    private readonly string _directory;
    private readonly ModelHeader _header;

    private ModelLoadContext(RepositoryReader repository, string directory, Stream stream)
    {
        _repository = repository;
        _directory = directory;
        _header = ModelHeader.Read(stream);
        Reader = new(stream, Encoding.UTF8, leaveOpen: true);
    }

    public void Dispose() => Reader.Dispose();

    public void CheckAtModel(VersionInfo ver)
    {
        Contracts.Check(Reader.BaseStream.Position == ModelHeader.Size, "The model's bytes have been begun already");
        _header.Check(ver);
    }

    public bool TryLoadBinaryStream(string name, Action<BinaryReader> action)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        Contracts.CheckValue(action, nameof(action));
        using var stream = _repository.OpenEntryOrNull(_directory, name);
        if (stream is null)
            return false;
        using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
        action(reader);
        return true;
    }

    public void LoadModel<TRes, TSig>(IHostEnvironment env, out TRes result, string name) where TRes : class =>
        LoadModel<TRes, TSig>(env, out result, _repository, Path.Combine(_directory ?? "", name));

    public static void LoadModel<TRes, TSig>(IHostEnvironment env, out TRes result, RepositoryReader repository, string directory) where TRes : class
    {
        using var stream = repository.OpenEntryOrNull(directory, ModelSaveContext.ModelStreamName) ?? throw Contracts.ExceptDecode("Corrupt model file");
        using var context = new ModelLoadContext(repository, directory, stream);
        result = context.Create(env, typeof(TSig)) as TRes ?? throw Contracts.ExceptDecode($"Couldn't load model: '{directory}'");
        Contracts.CheckDecode(stream.Position == context._header.ModelEnd, $"The loader of '{directory}' didn't read what was written: it stopped at {stream.Position} of {context._header.ModelEnd} bytes.");
    }

    // The model names the assembly of its loader, so that no one has to register it.
    private object Create(IHostEnvironment env, Type signature)
    {
        var catalog = ((HostEnvironment)env).ComponentCatalog;
        if (_header.LoaderAssemblyName.Length > 0)
            catalog.RegisterAssembly(Assembly.Load(_header.LoaderAssemblyName));
        foreach (string name in (string[])[_header.LoaderSignature, _header.LoaderSignatureAlt])
        {
            if (!string.IsNullOrWhiteSpace(name) && catalog.TryCreateInstance(env, signature, name, [this], out object instance))
                return instance;
        }
        return null;
    }
}
