using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A column that a transformer adds, and how its value is made from the result for a row.</summary>
internal abstract class TextOutput(string name, DataViewType type, ColumnAnnotations? annotations)
{
    public string Name { get; } = name;

    public DataViewType Type { get; } = type;

    public ColumnAnnotations? Annotations { get; } = annotations;

    /// <summary>Makes annotations that depend on the schema of the input, in place of <see cref="Annotations"/>; null for none.</summary>
    public Func<DataViewSchema, DataViewSchema.Annotations>? InputDependentAnnotations { get; init; }

    /// <summary>The column's annotations beside the input's columns; null for none.</summary>
    public DataViewSchema.Annotations? AnnotationsFor(DataViewSchema input) => InputDependentAnnotations?.Invoke(input) ?? Annotations?.Values;

    /// <summary>A column whose getter calls <paramref name="write"/>.</summary>
    public static TextOutput Create<TResult, TValue>(string name, DataViewType type, Writer<TResult, TValue> write, ColumnAnnotations? annotations = null) =>
        new Typed<TResult, TValue>(name, type, write, annotations);

    /// <summary>The same with annotations that depend on the schema of the input.</summary>
    public static TextOutput Create<TResult, TValue>(string name, DataViewType type, Writer<TResult, TValue> write, Func<DataViewSchema, DataViewSchema.Annotations> annotations) =>
        new Typed<TResult, TValue>(name, type, write, annotations: null) { InputDependentAnnotations = annotations };

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the column's type.</summary>
    /// <param name="current">Gives the result for the row that the cursor is at, computing it where that has not been done.</param>
    public abstract Delegate CreateGetter(Func<object> current);

    /// <summary>Sets a column's value from a result.</summary>
    public delegate void Writer<in TResult, TValue>(TResult result, ref TValue value);

    private sealed class Typed<TResult, TValue>(string name, DataViewType type, Writer<TResult, TValue> write, ColumnAnnotations? annotations) : TextOutput(name, type, annotations)
    {
        public override Delegate CreateGetter(Func<object> current) => (ValueGetter<TValue>)((ref TValue value) => write((TResult)current(), ref value));
    }
}
