using System.Text.Json;

namespace MLNet.Gpt;

// Objects and arrays.
internal sealed partial class JsonSchemaReader
{
    // Members come in the order in which the schema names them, those that are not required may be left out, and additional ones follow where the schema allows them in so many words.
    private Expression Object(List<Place> all, string key)
    {
        // 1. Which members there are, and what each must be.
        List<string> names = [];
        var known = new HashSet<string>();
        var ownOf = new Dictionary<string, JsonElement>?[all.Count]; // of each schema: what it says of the properties that it names
        for (int i = 0; i < all.Count; i++)
        {
            if (all[i].Keyword("properties") is not { } properties) continue;
            if (properties.ValueKind != JsonValueKind.Object) throw Malformed(all[i], "properties", "an object of schemas");
            var own = ownOf[i] = [];
            foreach (JsonProperty property in properties.EnumerateObject()) own[property.Name] = property.Value; // of a name that a caller's element has twice, the last
            names.AddRange(properties.EnumerateObject().Select(static property => property.Name).Where(known.Add));
        }

        var required = new HashSet<string>(all.SelectMany(Required));
        if (names.Count + required.Count > 0 && all.Find(static place => place.Keyword("propertyNames") is not null) is { } named)
            throw new ConstraintException(ConstraintProblem.Unsupported, named.Pointer, "'propertyNames' beside properties that are named is not supported. Leave it out.", "propertyNames");
        names.AddRange(all.SelectMany(Required).Where(known.Add));
        Spend((long)names.Count * all.Count, all[0].Pointer);
        List<(string Name, bool Required, Expression Value)> members = [];
        foreach (string name in names)
        {
            List<Place> schemas = [];
            for (int i = 0; i < all.Count; i++)
            {
                if (ownOf[i]?.TryGetValue(name, out JsonElement schema) == true) schemas.Add(all[i].Child($"properties/{Escape(name)}", schema));
                else if (all[i].Keyword("additionalProperties") is { } others) schemas.Add(all[i].Child("additionalProperties", others));
            }

            if (schemas.Any(static schema => schema.Schema.ValueKind == JsonValueKind.False))
            {
                if (required.Contains(name)) return Contradiction(all[0].Pointer, $"The property '{name}' is required, and not allowed.");
                continue;
            }

            members.Add((name, required.Contains(name), Expression.Then(JsonRules.Literal(name), _json.Colon, RuleOf(schemas))));
        }

        // 2. Whether others may follow.
        Place[] additional = [.. all.Where(static place => place.Keyword("additionalProperties") is not null).Select(static place => place.Child("additionalProperties", place.Keyword("additionalProperties")!.Value))];
        bool open = additional.Length > 0 ? additional.All(static schema => schema.Schema.ValueKind != JsonValueKind.False) : all.All(static place => place.Keyword("properties") is null);
        Expression? other = open ? Expression.Then(NameOfOthers(all, names), _json.Colon, RuleOf(additional)) : null;

        // 3. One rule for each member and the number of members before it, as far as that matters.
        (int min, int? max) = Counts(all, "minProperties", "maxProperties");
        if (max < min) return Contradiction(all[0].Pointer, $"At least {min} properties are asked for, and at most {max}.");
        if (max < required.Count) return Contradiction(all[0].Pointer, $"{required.Count} properties are required, and at most {max} asked for.");
        if (other is null && members.Count < min) return Contradiction(all[0].Pointer, $"At least {min} properties are asked for, and there may be {members.Count}.");
        int most = max ?? Math.Max(min, 1);
        var rules = new Dictionary<(int, int), int>();
        var undefined = new Queue<(int Member, int Count)>(); // there may be more members than the stack is deep
        Expression first = From(0, 0);
        while (undefined.TryDequeue(out (int Member, int Count) next)) _grammar.Define(rules[next], WaysFrom(next.Member, next.Count));
        return _json.Between("{", first, "}");

        Expression From(int member, int count)
        {
            if (!rules.TryGetValue((member, count), out int rule))
            {
                rules.Add((member, count), rule = _grammar.Declare(key));
                undefined.Enqueue((member, count));
            }

            return new Expression.Call(rule);
        }

        Expression WaysFrom(int member, int count)
        {
            List<Expression> ways = [];
            Expression? written = member < members.Count ? members[member].Value : other;
            if (written is not null && (max is null || count < max))
                ways.Add(Expression.Then(count > 0 ? _json.Comma : Expression.Empty, written, From(Math.Min(member + 1, members.Count), Math.Min(count + 1, most))));
            if (member < members.Count && !members[member].Required) ways.Add(From(member + 1, count));
            if (member == members.Count && count >= min) ways.Add(count > 0 ? _json.Space : Expression.Empty);
            return Expression.AnyOf(ways);
        }

        static string Escape(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
    }

    // The name of a member that the schema does not name: a string that is a name's by all schemas that say what names are.
    private Expression NameOfOthers(List<Place> all, List<string> names)
    {
        Place[] forms = [.. all.Where(static place => place.Keyword("propertyNames") is not null).Select(static place => place.Child("propertyNames", place.Keyword("propertyNames")!.Value))];
        return forms.Length == 0 ? _json.FreeName(names) : RuleOf([.. forms, new Place(AnyString, "a string")]);
    }

    private static IEnumerable<string> Required(Place place)
    {
        if (place.Keyword("required") is not { } list) return [];
        if (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(static name => name.ValueKind != JsonValueKind.String)) throw Malformed(place, "required", "a list of names");
        return list.EnumerateArray().Select(static name => name.GetString()!);
    }

    private Expression Array(List<Place> all, string key)
    {
        (int min, int? max) = Counts(all, "minItems", "maxItems");
        foreach (Place place in all)
        {
            if (place.Keyword("prefixItems") is { } list) Children(place, "prefixItems", list);
            if (place.Keyword("items") is { ValueKind: JsonValueKind.Array })
                throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, "A list as 'items' is not supported. Write 'prefixItems', as drafts since 2020-12 have it.", "items");
        }

        // The first items have schemas of their own, the others share one; where an item is not allowed the array ends.
        JsonElement[][] ownOf = [.. all.Select(static place => place.Keyword("prefixItems") is { } list ? list.EnumerateArray().ToArray() : [])];
        int prefix = ownOf.Max(static items => items.Length);
        Spend((long)prefix * all.Count, all[0].Pointer);
        List<Expression> items = [];
        for (int i = 0; i <= prefix; i++)
        {
            if (ItemAt(i) is { } item) items.Add(item);
            else max = Math.Min(max ?? i, i);
        }

        if (max < min) return Contradiction(all[0].Pointer, $"At least {min} items are asked for, and at most {max}.");
        if (max == 0) return _json.Between("[", Expression.Empty, "]");

        // Behind its own items the prefix ends in a repetition. Made from its end: a rule for what follows each item, since there may be more items than the stack is deep.
        Expression rest = Expression.Never;
        for (int count = prefix; count > 0; count--)
        {
            int rule = _grammar.Declare(key);
            _grammar.Define(rule, From(count, rest));
            rest = new Expression.Call(rule);
        }

        return _json.Between("[", From(0, rest), "]");

        Expression From(int count, Expression next)
        {
            List<Expression> ways = [];
            if (count >= min) ways.Add(count > 0 ? _json.Space : Expression.Empty);
            if (count == prefix && count > 0)
            {
                if (count < items.Count && (max is null || max > count))
                    ways = [Expression.Then(Expression.Times(Expression.Then(_json.Comma, items[count]), Math.Max(0, min - count), max - count), _json.Space)];
            }
            else if (count == 0 && prefix == 0)
            {
                Expression more = Expression.Times(Expression.Then(_json.Comma, items[0]), Math.Max(0, min - 1), max - 1);
                ways.Add(Expression.Then(items[0], more, _json.Space));
            }
            else if (count < items.Count && (max is null || count < max))
            {
                ways.Add(Expression.Then(count > 0 ? _json.Comma : Expression.Empty, items[count], next));
            }

            return Expression.AnyOf(ways);
        }

        Expression? ItemAt(int index)
        {
            List<Place> schemas = [];
            for (int i = 0; i < all.Count; i++)
            {
                if (index < ownOf[i].Length) schemas.Add(all[i].Child($"prefixItems/{index}", ownOf[i][index]));
                else if (all[i].Keyword("items") is { } others) schemas.Add(all[i].Child("items", others));
            }

            return schemas.Any(static schema => schema.Schema.ValueKind == JsonValueKind.False) ? null : RuleOf(schemas);
        }
    }
}
