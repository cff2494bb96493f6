using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ColumnCopyingTransformer), null, typeof(SignatureLoadModel),
    "Copy Columns Transform", ColumnCopyingTransformer.LoaderSignature)]

namespace Microsoft.ML.Transforms;

public sealed class ColumnCopyingEstimator : TrivialEstimator<ColumnCopyingTransformer>
{
    internal ColumnCopyingEstimator(string outputColumnName, string inputColumnName) : base(new(outputColumnName, inputColumnName)) { }

    public override SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        var (output, input) = Transformer.Columns;
        if (!inputSchema.TryFindColumn(input, out var source))
            throw Contracts.ExceptMissingColumn("input", input);
        var copy = new SchemaShape.Column(output, source.Kind, source.ItemType, source.IsKey, source.Annotations);
        return new(inputSchema.Where(column => column.Name != output).Append(copy));
    }
}

public sealed class ColumnCopyingTransformer : OneToOneTransformerBase
{
    internal const string LoaderSignature = "CopyTransform";

    internal ColumnCopyingTransformer(string outputColumnName, string inputColumnName)
    {
        Contracts.CheckNonEmpty(outputColumnName, nameof(outputColumnName));
        Contracts.CheckNonEmpty(inputColumnName, nameof(inputColumnName));
        Columns = (outputColumnName, inputColumnName);
    }

    internal (string Output, string Input) Columns { get; }

    private static VersionInfo VersionInfo => new("COPYCOLT", 0x00010001, 0x00010001, 0x00010001,
        typeof(ColumnCopyingTransformer).Assembly.FullName, LoaderSignature);

    private protected override IRowToRowMapper Map(DataViewSchema inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        var source = inputSchema.GetColumnOrNull(Columns.Input) ?? throw Contracts.ExceptMissingColumn("input", Columns.Input);
        return new ColumnMap(inputSchema, [.. inputSchema.Select(column => (column.Name, column.Index)), (Columns.Output, source.Index)]);
    }

    private protected override void SaveModel(ModelSaveContext ctx)
    {
        ctx.SetVersionInfo(VersionInfo);
        ctx.Writer.Write(Columns.Output);
        ctx.Writer.Write(Columns.Input);
    }

    private static ColumnCopyingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(VersionInfo);
        return new(ctx.Reader.ReadString(), ctx.Reader.ReadString());
    }
}
