using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Reads the texts of a row's input columns.</summary>
internal sealed class TextColumnReader(DataViewRow row, IReadOnlyList<DataViewSchema.Column> columns)
{
    private readonly Func<IReadOnlyList<string>>[] _readers = [.. columns.Select(column => Create(row, column))];

    /// <summary>The current row's texts, by column.</summary>
    public IReadOnlyList<string>[] Read() => [.. _readers.Select(read => read())];

    private static Func<IReadOnlyList<string>> Create(DataViewRow row, DataViewSchema.Column column)
    {
        if (column.Type is TextDataViewType)
        {
            var getText = row.GetGetter<ReadOnlyMemory<char>>(column);
            return () =>
            {
                ReadOnlyMemory<char> text = default;
                getText(ref text);
                return [text.ToString()];
            };
        }

        var getTexts = row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(column);
        VBuffer<ReadOnlyMemory<char>> texts = default;
        return () =>
        {
            getTexts(ref texts);
            return [.. texts.DenseValues().Select(text => text.ToString())];
        };
    }
}
