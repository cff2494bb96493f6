using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A single row with the operation's columns: what a PredictionEngine reads. The values follow the input row's.</summary>
internal sealed class TextColumnRow : DataViewRow
{
    private readonly TextColumnMapper _mapper;
    private readonly DataViewRow _input;
    private readonly Delegate?[] _outputGetters;
    private readonly TextColumnReader? _reader;
    private IReadOnlyList<string>[]? _texts; // the texts that _result belongs to
    private object? _result;

    public TextColumnRow(TextColumnMapper mapper, DataViewRow input, bool[] active)
    {
        _mapper = mapper;
        _input = input;
        _outputGetters = mapper.OutputGetters(active, Current);
        if (mapper.AnyOutput(active)) _reader = new TextColumnReader(input, mapper.TextColumns);
    }

    public override DataViewSchema Schema => _mapper.OutputSchema;

    public override long Position => _input.Position;

    public override long Batch => _input.Batch;

    public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

    public override bool IsColumnActive(DataViewSchema.Column column) => column.Index < _mapper.InputSchema.Count
        ? _input.IsColumnActive(_mapper.InputSchema[column.Index])
        : _outputGetters[column.Index - _mapper.InputSchema.Count] is not null;

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => column.Index < _mapper.InputSchema.Count
        ? _input.GetGetter<TValue>(_mapper.InputSchema[column.Index])
        : TextColumnMapper.Cast<TValue>(_outputGetters[column.Index - _mapper.InputSchema.Count], column);

    protected override void Dispose(bool disposing)
    {
        if (disposing) _input.Dispose();
        base.Dispose(disposing);
    }

    // A result depends on the texts alone, so that the same texts again, from the next column or the next prediction, are not computed again.
    private object Current()
    {
        _mapper.Operation.ThrowIfClosed();
        IReadOnlyList<string>[] texts = _reader!.Read();
        if (_result is null || !texts.Zip(_texts!).All(static pair => pair.First.SequenceEqual(pair.Second)))
        {
            _result = _mapper.Operation.RunAlone(new TextRow(_input.Position, texts));
            _texts = texts;
        }

        return _result;
    }
}
