using System.Text;

namespace Microsoft.ML;

/// <summary>Where a component writes itself: its own folder in a model file.</summary>
public sealed class ModelSaveContext : IDisposable
{
    internal const string ModelStreamName = "Model.key";

    internal readonly BinaryWriter Writer;

    private readonly RepositoryWriter _repository;
    private readonly string _directory;
    private ModelHeader? _header;

    private ModelSaveContext(RepositoryWriter repository, string directory, Stream stream)
    {
        _repository = repository;
        _directory = directory;
        Writer = new(stream, Encoding.UTF8, leaveOpen: true);
        Writer.Write(new byte[ModelHeader.Size]);
    }

    public void Dispose() => Writer.Dispose();

    internal static void SaveModel(RepositoryWriter repository, ICanSaveModel model, string directory) =>
        repository.WriteEntry(directory, ModelStreamName, stream =>
        {
            using var context = new ModelSaveContext(repository, directory, stream);
            model.Save(context);
            context.Writer.Flush();
            Contracts.Check(context._header is not null, "ModelSignature not specified!");
            context._header.Value.Write(stream);
        });

    internal void SaveModel(ICanSaveModel model, string name) => SaveModel(_repository, model, Path.Combine(_directory ?? "", name));

    internal void CheckAtModel() =>
        Contracts.Check(Writer.BaseStream.Position == ModelHeader.Size, "The model's bytes have been begun already");

    internal void SetVersionInfo(VersionInfo ver) => _header = ModelHeader.For(ver);

    internal void SaveBinaryStream(string name, Action<BinaryWriter> action)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        Contracts.CheckValue(action, nameof(action));
        _repository.WriteEntry(_directory, name, stream =>
        {
            using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
            action(writer);
        });
    }
}
