using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>Which members of a class are columns, under which names and of which types.</summary>
public sealed class SchemaDefinition : List<SchemaDefinition.Column>
{
    private SchemaDefinition() { }

    /// <summary>The columns of the members that can be read, or of those that can be written.</summary>
    internal static SchemaDefinition Create(Type userType, bool forWriting)
    {
        var definition = new SchemaDefinition();
        foreach (var member in MembersOf(userType, forWriting))
        {
            string name = member.GetCustomAttribute<ColumnNameAttribute>()?.Name ?? member.Name;
            Contracts.CheckParam(definition.All(column => column.Name != name), nameof(userType), $"Duplicate column name '{name}' detected, this is disallowed");
            definition.Add(new(member, name, ColumnTypeOf(member)));
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

    internal static Type TypeOf(MemberInfo member) => (member as FieldInfo)?.FieldType ?? ((PropertyInfo)member).PropertyType;

    private static IEnumerable<MemberInfo> MembersOf(Type userType, bool forWriting)
    {
        const BindingFlags instance = BindingFlags.Public | BindingFlags.Instance;
        var properties = userType.GetProperties(instance).Where(property => property.GetIndexParameters().Length == 0
            && (forWriting ? property.GetSetMethod() : property.GetGetMethod()) is not null);
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
        internal Column(MemberInfo member, string name, DataViewType type)
        {
            Member = member;
            Name = name;
            Type = type;
        }

        internal MemberInfo Member { get; }

        internal string Name { get; }

        internal DataViewType Type { get; }
    }
}
