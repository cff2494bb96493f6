namespace Microsoft.ML.Data;

public static class SchemaAnnotationsExtensions
{
    public static void GetSlotNames(this DataViewSchema.Column column, ref VBuffer<ReadOnlyMemory<char>> slotNames) =>
        column.Annotations.GetValue("SlotNames", ref slotNames);

    public static void GetKeyValues<TValue>(this DataViewSchema.Column column, ref VBuffer<TValue> keyValues) =>
        column.Annotations.GetValue("KeyValues", ref keyValues);
}
