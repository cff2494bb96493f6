using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public sealed class ModelOperationsCatalog
{
    private const string SchemaName = "Schema";
    private const string ModelFolder = TransformerChain.LoaderSignature;

    private readonly IHostEnvironmentInternal _env;

    internal ModelOperationsCatalog(IHostEnvironmentInternal env) => _env = env;

    public void Save(ITransformer model, DataViewSchema inputSchema, Stream stream)
    {
        Contracts.CheckValue(stream, nameof(stream));
        using var repository = new RepositoryWriter(stream, _env.TempFilePath);
        repository.WriteEntry("TrainingInfo", "Version.txt", entry => entry.Write("stand-in for 5.0.0"u8));
        if (model is not null)
            ModelSaveContext.SaveModel(repository, model, ModelFolder);
        if (inputSchema is null)
            return;
        repository.WriteEntry(null, SchemaName, entry =>
        {
            using var writer = new BinaryWriter(entry, Encoding.UTF8, leaveOpen: true);
            SchemaFile.Write(writer, inputSchema);
        });
    }

    public void Save(ITransformer model, DataViewSchema inputSchema, string filePath)
    {
        Contracts.CheckNonEmpty(filePath, nameof(filePath));
        using var stream = File.Create(filePath);
        Save(model, inputSchema, stream);
    }

    public ITransformer Load(Stream stream, out DataViewSchema inputSchema)
    {
        Contracts.CheckValue(stream, nameof(stream));
        using var repository = new RepositoryReader(stream, _env.TempFilePath);
        inputSchema = null;
        using (var entry = repository.OpenEntryOrNull(null, SchemaName))
        {
            if (entry is not null)
                inputSchema = SchemaFile.Read(new(entry));
        }
        ModelLoadContext.LoadModel<ITransformer, SignatureLoadModel>(_env, out var transformer, repository, ModelFolder);
        return transformer;
    }

    public ITransformer Load(string filePath, out DataViewSchema inputSchema)
    {
        Contracts.CheckNonEmpty(filePath, nameof(filePath));
        using var stream = File.OpenRead(filePath);
        return Load(stream, out inputSchema);
    }

    public PredictionEngine<TSrc, TDst> CreatePredictionEngine<TSrc, TDst>(
        ITransformer transformer, bool ignoreMissingColumns = true, SchemaDefinition inputSchemaDefinition = null, SchemaDefinition outputSchemaDefinition = null)
        where TSrc : class
        where TDst : class, new() =>
        new(transformer, ignoreMissingColumns, inputSchemaDefinition, outputSchemaDefinition);
}
