using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(KeyToValueMappingTransformer), null, typeof(SignatureLoadModel),
    "Key To Value Transform", KeyToValueMappingTransformer.LoaderSignature)]

namespace Microsoft.ML.Transforms;

public sealed class KeyToValueMappingEstimator : TrivialEstimator<KeyToValueMappingTransformer>
{
    internal KeyToValueMappingEstimator(string outputColumnName, string inputColumnName) : base(new(outputColumnName, inputColumnName)) { }

    public override SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        var (output, input) = Transformer.Columns;
        if (!inputSchema.TryFindColumn(input, out var source))
            throw Contracts.ExceptMissingColumn("input", input);
        if (!source.IsKey)
            throw Contracts.ExceptSchemaMismatch("input", input, "key", source.ItemType.ToString());
        if (!source.Annotations.TryFindColumn("KeyValues", out var keyValues))
            throw Contracts.ExceptParam("inputSchema", $"Input column '{input}' doesn't contain key values metadata");
        var value = new SchemaShape.Column(output, source.Kind, keyValues.ItemType, keyValues.IsKey);
        return new(inputSchema.Where(column => column.Name != output).Append(value));
    }
}

public sealed class KeyToValueMappingTransformer : OneToOneTransformerBase
{
    internal const string LoaderSignature = "KeyToValueTransform";

    internal KeyToValueMappingTransformer(string outputColumnName, string inputColumnName)
    {
        Contracts.CheckNonEmpty(outputColumnName, nameof(outputColumnName));
        Contracts.CheckNonEmpty(inputColumnName, nameof(inputColumnName));
        Columns = (outputColumnName, inputColumnName);
    }

    internal (string Output, string Input) Columns { get; }

    private static VersionInfo VersionInfo => new("KEY2VALT", 0x00010001, 0x00010001, 0x00010001,
        typeof(KeyToValueMappingTransformer).Assembly.FullName, LoaderSignature);

    private protected override IRowToRowMapper Map(DataViewSchema inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        var source = inputSchema.GetColumnOrNull(Columns.Input) ?? throw Contracts.ExceptMissingColumn("input", Columns.Input);
        var keyValues = source.Annotations.Schema.GetColumnOrNull("KeyValues")?.Type as VectorDataViewType;
        Contracts.Check(keyValues is not null, "Metadata KeyValues does not exist");
        var key = source.Type as KeyDataViewType
            ?? throw new NotSupportedException($"The stand-in maps single keys to values, not the {source.Type} of column '{source.Name}'.");
        Contracts.Check((ulong)keyValues.Size == key.Count, "KeyValues metadata size does not match column type key count");
        return Generic.Call<IRowToRowMapper>(MapTo<int>, [keyValues.ItemType.RawType], inputSchema, source, Columns.Output, keyValues.ItemType);
    }

    private static IRowToRowMapper MapTo<T>(DataViewSchema inputSchema, DataViewSchema.Column source, string output, PrimitiveDataViewType type)
    {
        VBuffer<T> buffer = default;
        source.Annotations.GetValue("KeyValues", ref buffer);
        T[] values = [.. buffer.DenseValues()];
        T missing = typeof(T) == typeof(float) ? (T)(object)float.NaN : typeof(T) == typeof(double) ? (T)(object)double.NaN : default;
        return new AddedColumnMap(inputSchema, source, output, type, null, (row, column) =>
        {
            var get = KeyGetters.Create(row, column);
            return (ValueGetter<T>)((ref T value) =>
            {
                ulong key = get();
                value = key == 0 || key > (ulong)values.Length ? missing : values[key - 1];
            });
        });
    }

    private protected override void SaveModel(ModelSaveContext ctx)
    {
        ctx.SetVersionInfo(VersionInfo);
        ctx.Writer.Write(Columns.Output);
        ctx.Writer.Write(Columns.Input);
    }

    private static KeyToValueMappingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(VersionInfo);
        return new(ctx.Reader.ReadString(), ctx.Reader.ReadString());
    }
}
