using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>Which members of a class are columns, under which names and of which types.</summary>
public sealed class SchemaDefinition : List<SchemaDefinition.Column>
{
    private SchemaDefinition() { }

    [Flags]
    public enum Direction
    {
        Read = 1,
        Write = 2,
        Both = Read | Write,
    }

    public Column this[string columnName]
    {
        get => Find(column => column.ColumnName == columnName);
        set
        {
            Contracts.CheckValue(value, nameof(value));
            Contracts.CheckParam(value.ColumnName == columnName, nameof(columnName),
                $"The column name is specified as '{value.ColumnName}' but must match the selector '{columnName}'.");
            int index = FindIndex(column => column.ColumnName == columnName);
            if (index < 0)
                Add(value);
            else
                this[index] = value;
        }
    }

    public static SchemaDefinition Create(Type userType, Direction direction = Direction.Both)
    {
        Contracts.CheckValue(userType, nameof(userType));
        var definition = new SchemaDefinition();
        foreach (var member in MembersOf(userType, direction))
        {
            string name = member.GetCustomAttribute<ColumnNameAttribute>()?.Name ?? member.Name;
            Contracts.CheckParam(definition[name] is null, nameof(userType), $"Duplicate column name '{name}' detected, this is disallowed");
            definition.Add(new(member.Name, ColumnTypeOf(member), name));
        }
        return definition;
    }

    /// <summary>The .NET type of a member's values, a vector's items where it is one; text for strings.</summary>
    internal static Type ItemTypeOf(Type memberType, out bool isVector)
    {
        isVector = memberType.IsArray || memberType.IsGenericType && memberType.GetGenericTypeDefinition() == typeof(VBuffer<>);
        var itemType = !isVector ? memberType : memberType.GetElementType() ?? memberType.GetGenericArguments()[0];
        return itemType == typeof(string) ? typeof(ReadOnlyMemory<char>) : itemType;
    }

    internal static Type TypeOf(MemberInfo member) => member is FieldInfo field ? field.FieldType : ((PropertyInfo)member).PropertyType;

    internal MemberInfo MemberOf(Type userType, Column column)
    {
        var member = (MemberInfo)userType.GetField(column.MemberName) ?? userType.GetProperty(column.MemberName)
            ?? throw Contracts.ExceptParam("userSchemaDefinition", $"No field or property with name '{column.MemberName}' found in type '{userType.FullName}'");
        var itemType = ItemTypeOf(TypeOf(member), out bool isVector);
        if (column.ColumnType is null)
            column.ColumnType = ColumnTypeOf(member);
        var vector = column.ColumnType as VectorDataViewType;
        Contracts.CheckParam(isVector == vector is not null, "userSchemaDefinition",
            $"Column '{column.ColumnName}' is supposed to be {(vector is null ? "scalar" : "vector")}, but type of associated field '{member.Name}' is {(isVector ? "vector" : "scalar")}");
        var expected = (vector?.ItemType ?? column.ColumnType).RawType;
        Contracts.CheckParam(expected == itemType, "userSchemaDefinition",
            $"Column '{column.ColumnName}' is supposed to have item type {expected}, but associated field has type {itemType}");
        return member;
    }

    private static IEnumerable<MemberInfo> MembersOf(Type userType, Direction direction)
    {
        const BindingFlags instance = BindingFlags.Public | BindingFlags.Instance;
        var properties = userType.GetProperties(instance).Where(property => property.GetIndexParameters().Length == 0
            && (direction.HasFlag(Direction.Read) && property.GetGetMethod() is not null
                || direction.HasFlag(Direction.Write) && property.GetSetMethod() is not null));
        return userType.GetFields(instance).Concat<MemberInfo>(properties)
            .Where(member => member.GetCustomAttribute<NoColumnAttribute>() is null);
    }

    private static DataViewType ColumnTypeOf(MemberInfo member)
    {
        var rawType = ItemTypeOf(TypeOf(member), out bool isVector);
        var itemType = PrimitiveTypes.FromRawTypeOrNull(rawType)
            ?? throw Contracts.ExceptParam("rawType", $"Could not determine an IDataView type and registered custom types for member {member.Name}");
        if (member.GetCustomAttribute<KeyTypeAttribute>() is { } key)
        {
            Contracts.CheckParam(KeyDataViewType.IsValidDataType(rawType), "userType",
                $"Member {member.Name} marked with KeyType attribute, but does not appear to be a valid kind of data for a key type");
            itemType = new KeyDataViewType(rawType, key.Count);
        }
        var vector = member.GetCustomAttribute<VectorTypeAttribute>();
        Contracts.CheckParam(vector is null || isVector, "userType",
            $"Member {member.Name} marked with VectorTypeAttribute, but does not appear to be a vector type");
        if (!isVector)
            return itemType;
        return vector?.Dimensions is { Length: > 0 } dimensions ? new VectorDataViewType(itemType, dimensions) : new VectorDataViewType(itemType);
    }

    public sealed class Column
    {
        private readonly DataViewSchema.Annotations.Builder _annotations = new();

        internal Column(string memberName, DataViewType columnType, string columnName)
        {
            MemberName = memberName;
            ColumnType = columnType;
            ColumnName = columnName;
        }

        public string MemberName { get; }

        public string ColumnName { get; set; }

        public DataViewType ColumnType { get; set; }

        public DataViewSchema.Annotations Annotations => _annotations.ToAnnotations();

        internal void AddAnnotations(DataViewSchema.Annotations annotations) => _annotations.Add(annotations, _ => true);
    }
}
