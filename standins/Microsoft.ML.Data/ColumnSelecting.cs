using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ColumnSelectingTransformer), null, typeof(SignatureLoadModel),
    "Select Columns Transform", ColumnSelectingTransformer.LoaderSignature)]

namespace Microsoft.ML.Transforms;

public sealed class ColumnSelectingEstimator : TrivialEstimator<ColumnSelectingTransformer>
{
    internal ColumnSelectingEstimator(bool keep, string[] columnNames) : base(new(keep, columnNames)) { }

    public override SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        Transformer.CheckPresent(inputSchema.Select(column => column.Name));
        return new(inputSchema.Where(column => Transformer.Keep == Transformer.Names.Contains(column.Name)));
    }
}

/// <summary>Keeps columns, in the order in which they are named, or drops them, hidden ones of the name too.</summary>
public sealed class ColumnSelectingTransformer : ITransformer
{
    internal const string LoaderSignature = "SelectColumnsTransform";

    internal ColumnSelectingTransformer(bool keep, string[] names)
    {
        Contracts.Check(names is { Length: > 0 }, "Neither keepColumns and dropColumns is set. Exactly one must be specified.");
        Keep = keep;
        Names = names;
    }

    internal bool Keep { get; }

    internal string[] Names { get; }

    bool ITransformer.IsRowToRowMapper => true;

    private static VersionInfo VersionInfo => new("SELCOLST", 0x00010001, 0x00010001, 0x00010001,
        typeof(ColumnSelectingTransformer).Assembly.FullName, LoaderSignature);

    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Map(inputSchema).OutputSchema;

    public IDataView Transform(IDataView input)
    {
        Contracts.CheckValue(input, nameof(input));
        return new MappedDataView(input, Map(input.Schema));
    }

    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) => Map(inputSchema);

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ctx.SetVersionInfo(VersionInfo);
        ctx.Writer.Write(Keep);
        ctx.Writer.Write(Names.Length);
        foreach (string name in Names)
            ctx.Writer.Write(name);
    }

    internal void CheckPresent(IEnumerable<string> inputNames)
    {
        var missing = Names.Except(inputNames).ToArray();
        if (missing.Length > 0)
            throw Contracts.ExceptMissingColumn("input", string.Join(",", missing));
    }

    private ColumnMap Map(DataViewSchema inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        CheckPresent(inputSchema.Select(column => column.Name));
        var columns = Keep
            ? Names.Select(name => inputSchema[name])
            : inputSchema.Where(column => !Names.Contains(column.Name));
        return new(inputSchema, [.. columns.Select(column => (column.Name, column.Index))]);
    }

    private static ColumnSelectingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(VersionInfo);
        bool keep = ctx.Reader.ReadBoolean();
        int count = ctx.Reader.ReadInt32();
        Contracts.CheckDecode(count > 0 && count <= ctx.Reader.BaseStream.Length, $"There can't be {count} names of columns");
        return new(keep, [.. Enumerable.Range(0, count).Select(_ => ctx.Reader.ReadString())]);
    }
}
