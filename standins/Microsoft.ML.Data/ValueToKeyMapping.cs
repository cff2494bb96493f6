using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ValueToKeyMappingTransformer), null, typeof(SignatureLoadModel),
    "Term Transform", ValueToKeyMappingTransformer.LoaderSignature)]

namespace Microsoft.ML.Transforms;

public sealed class ValueToKeyMappingEstimator : IEstimator<ValueToKeyMappingTransformer>
{
    public enum KeyOrdinality : byte
    {
        ByOccurrence = 0,
        ByValue = 1,
    }

    private readonly (string Output, string Input) _columns;
    private readonly int _maximumNumberOfKeys;
    private readonly KeyOrdinality _ordinality;
    private readonly IDataView _keyData;

    internal ValueToKeyMappingEstimator(
        string outputColumnName, string inputColumnName, int maximumNumberOfKeys, KeyOrdinality keyOrdinality, bool addKeyValueAnnotationsAsText, IDataView keyData)
    {
        Contracts.CheckNonEmpty(outputColumnName, nameof(outputColumnName));
        Contracts.CheckParam(maximumNumberOfKeys > 0, nameof(maximumNumberOfKeys), "Must be positive");
        Contracts.CheckParam(keyData is null || keyData.Schema.Count == 1, nameof(keyData),
            $"If specified, this data view should contain only a single column containing the terms to map, but this had {keyData?.Schema.Count} columns.");
        if (addKeyValueAnnotationsAsText)
            throw new NotSupportedException("The stand-in keeps key values as they are.");
        _columns = (outputColumnName, inputColumnName ?? outputColumnName);
        _maximumNumberOfKeys = maximumNumberOfKeys;
        _ordinality = keyOrdinality;
        _keyData = keyData;
    }

    public ValueToKeyMappingTransformer Fit(IDataView input)
    {
        Contracts.CheckValue(input, nameof(input));
        var column = input.Schema.GetColumnOrNull(_columns.Input) ?? throw Contracts.ExceptMissingColumn("input", _columns.Input);
        var terms = KeyTerms.Create(ItemTypeOf(column));
        if (_keyData is null)
            terms.Learn(input, column, _maximumNumberOfKeys, _ordinality == KeyOrdinality.ByValue);
        else
            terms.Learn(_keyData, _keyData.Schema[0], int.MaxValue, sort: false);
        return new(_columns.Output, _columns.Input, terms);
    }

    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        if (!inputSchema.TryFindColumn(_columns.Input, out var source))
            throw Contracts.ExceptMissingColumn("input", _columns.Input);
        var keyValues = new SchemaShape.Column("KeyValues", SchemaShape.Column.VectorKind.Vector, source.ItemType, source.IsKey);
        var key = new SchemaShape.Column(_columns.Output, source.Kind, NumberDataViewType.UInt32, isKey: true, new([keyValues]));
        return new(inputSchema.Where(column => column.Name != _columns.Output).Append(key));
    }

    internal static PrimitiveDataViewType ItemTypeOf(DataViewSchema.Column column) => column.Type switch
    {
        KeyDataViewType or VectorDataViewType => throw new NotSupportedException($"The stand-in maps single values to keys, not the {column.Type} of column '{column.Name}'."),
        var type => (PrimitiveDataViewType)type,
    };
}

public sealed class ValueToKeyMappingTransformer : OneToOneTransformerBase
{
    internal const string LoaderSignature = "TermTransform";

    private readonly string _output, _input;
    private readonly KeyTerms _terms;

    internal ValueToKeyMappingTransformer(string output, string input, KeyTerms terms) => (_output, _input, _terms) = (output, input, terms);

    private static VersionInfo VersionInfo => new("TERMTRAN", 0x00010001, 0x00010001, 0x00010001,
        typeof(ValueToKeyMappingTransformer).Assembly.FullName, LoaderSignature);

    private protected override IRowToRowMapper Map(DataViewSchema inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        var source = inputSchema.GetColumnOrNull(_input) ?? throw Contracts.ExceptMissingColumn("input", _input);
        if (!source.Type.Equals(_terms.ItemType))
            throw Contracts.ExceptSchemaMismatch("input", _input, _terms.ItemType.ToString(), source.Type.ToString());
        var annotations = new DataViewSchema.Annotations.Builder();
        _terms.AddKeyValues(annotations);
        return new AddedColumnMap(inputSchema, source, _output, new KeyDataViewType(typeof(uint), Math.Max(1, _terms.Count)), annotations.ToAnnotations(), _terms.CreateGetter);
    }

    private protected override void SaveModel(ModelSaveContext ctx)
    {
        ctx.SetVersionInfo(VersionInfo);
        ctx.Writer.Write(_output);
        ctx.Writer.Write(_input);
        ctx.Writer.Write(PrimitiveTypes.ToCode(_terms.ItemType));
        _terms.Write(ctx.Writer);
    }

    private static ValueToKeyMappingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(VersionInfo);
        string output = ctx.Reader.ReadString(), input = ctx.Reader.ReadString();
        var terms = KeyTerms.Create(PrimitiveTypes.FromCode(ctx.Reader.ReadByte()));
        terms.Read(ctx.Reader);
        return new(output, input, terms);
    }
}
