using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>A data view with the operation's columns. Nothing is computed before a cursor's getter asks for it.</summary>
internal sealed class TextColumnDataView(TextColumnMapper mapper, IDataView input) : IDataView
{
    public DataViewSchema Schema => mapper.OutputSchema;

    public bool CanShuffle => input.CanShuffle;

    public long? GetRowCount() => input.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        bool[] active = mapper.Active(columnsNeeded);
        return new TextColumnCursor(mapper, input.GetRowCursor(InputsOf(active), rand), active);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null)
    {
        bool[] active = mapper.Active(columnsNeeded);
        return [.. input.GetRowCursorSet(InputsOf(active), n, rand).Select(cursor => new TextColumnCursor(mapper, cursor, active))];
    }

    private IEnumerable<DataViewSchema.Column> InputsOf(bool[] active) =>
        mapper.GetDependencies(mapper.OutputSchema.Where(column => active[column.Index]));
}
