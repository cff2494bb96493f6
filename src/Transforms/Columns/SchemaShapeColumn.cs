using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// Makes columns of a <see cref="SchemaShape"/>. ML.NET lets others implement <see cref="IEstimator{TTransformer}"/>, but keeps the constructor that doing so takes to
/// itself; all its parameters' types are public.
/// </summary>
internal static class SchemaShapeColumn
{
    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    public static extern SchemaShape.Column Create(string name, SchemaShape.Column.VectorKind vecKind, DataViewType itemType, bool isKey, SchemaShape? annotations);
}
