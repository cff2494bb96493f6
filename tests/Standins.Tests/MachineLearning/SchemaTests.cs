using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class SchemaTests
{
    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern SchemaShape.Column NewShape(
        string name, SchemaShape.Column.VectorKind vecKind, DataViewType itemType, bool isKey, SchemaShape? annotations);

    [TestMethod]
    public void The_last_of_several_columns_with_one_name_hides_the_others()
    {
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("A", TextDataViewType.Instance);
        builder.AddColumn("A", NumberDataViewType.Single);
        var schema = builder.ToSchema();
        Assert.IsTrue(schema[0].IsHidden);
        Assert.IsFalse(schema[1].IsHidden);
        Assert.AreEqual(1, schema["A"].Index);
        Assert.IsNull(schema.GetColumnOrNull("B"));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => schema["B"]);
    }

    [TestMethod]
    public void Annotations_give_the_values_that_they_were_given()
    {
        var builder = new DataViewSchema.Annotations.Builder();
        builder.AddPrimitiveValue("ScoreColumnKind", TextDataViewType.Instance, "Text".AsMemory());
        builder.Add("KeyValues", new VectorDataViewType(TextDataViewType.Instance, 2),
            (ref VBuffer<ReadOnlyMemory<char>> value) => value = new(2, ["no".AsMemory(), "yes".AsMemory()]));
        var annotations = builder.ToAnnotations();

        ReadOnlyMemory<char> kind = default;
        annotations.GetValue("ScoreColumnKind", ref kind);
        Assert.AreEqual("Text", kind.ToString());
        VBuffer<ReadOnlyMemory<char>> names = default;
        annotations.GetValue("KeyValues", ref names);
        Assert.AreEqual("yes", names.GetItemOrDefault(1).ToString());
        float wrong = 0;
        Assert.ThrowsExactly<InvalidOperationException>(() => annotations.GetValue("ScoreColumnKind", ref wrong));
        Assert.ThrowsExactly<InvalidOperationException>(() => annotations.GetValue("Absent", ref wrong));
    }

    [TestMethod]
    public void Types_are_equal_by_what_they_say()
    {
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 2, 3), new VectorDataViewType(NumberDataViewType.Single, 2, 3));
        Assert.AreNotEqual(new VectorDataViewType(NumberDataViewType.Single, 6), new VectorDataViewType(NumberDataViewType.Single, 2, 3));
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), new KeyDataViewType(typeof(uint), 3));
        Assert.AreEqual("Vector<Single, 2, 3>", new VectorDataViewType(NumberDataViewType.Single, 2, 3).ToString());
        Assert.AreEqual("Vector<String>", new VectorDataViewType(TextDataViewType.Instance).ToString());
        Assert.AreEqual("Key<UInt32, 0-2>", new KeyDataViewType(typeof(uint), 3).ToString());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new KeyDataViewType(typeof(uint), 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new KeyDataViewType(typeof(int), 3));
    }

    [TestMethod]
    public void The_constructor_of_a_schema_shape_column_is_reached_by_its_signature()
    {
        var column = NewShape("Label", SchemaShape.Column.VectorKind.Vector, NumberDataViewType.UInt32, true, null);
        Assert.AreEqual(("Label", SchemaShape.Column.VectorKind.Vector, true), (column.Name, column.Kind, column.IsKey));
        Assert.AreEqual(NumberDataViewType.UInt32, column.ItemType);
        Assert.AreEqual(0, column.Annotations.Count);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            NewShape("Label", SchemaShape.Column.VectorKind.Scalar, new KeyDataViewType(typeof(uint), 3), true, null));
    }
}
