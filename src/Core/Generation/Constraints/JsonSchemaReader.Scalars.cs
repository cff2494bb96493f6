using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt;

// Strings, numbers, listed values, and which alternatives exclude each other.
internal sealed partial class JsonSchemaReader
{
    // Their forms in RFC 3339, 4122 and 2673; days that only some months have are left out.
    private const string Date = "[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)";
    private const string Time = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])";
    private const string Byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Label = "[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?";

    private static readonly Dictionary<string, string> Formats = new()
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["duration"] = "P(?:[0-9]{1,3}W|[0-9]{1,3}D|(?:[0-9]{1,3}D)?T(?:[0-9]{1,2}H|[0-9]{1,2}M|[0-9]{1,2}S|[0-9]{1,2}H[0-9]{1,2}M|[0-9]{1,2}M[0-9]{1,2}S|[0-9]{1,2}H[0-9]{1,2}M[0-9]{1,2}S))",
        ["uuid"] = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ["ipv4"] = $"{Byte}\\.{Byte}\\.{Byte}\\.{Byte}",
        ["hostname"] = $"{Label}(?:\\.{Label}){{0,3}}",
        ["email"] = $"[a-z0-9]{{1,20}}(?:[._-][a-z0-9]{{1,20}}){{0,2}}@{Label}(?:\\.{Label}){{0,2}}\\.[a-z]{{2,6}}",
        ["uri"] = $"https?://{Label}(?:\\.{Label}){{0,3}}(?:/[A-Za-z0-9._~-]{{0,30}}){{0,8}}",
    };

    private Expression String(List<Place> all)
    {
        (int min, int? max) = Counts(all, "minLength", "maxLength");
        if (max < min) return Contradiction(all[0].Pointer, $"At least {min} characters are asked for, and at most {max}.");

        // What the texts must match; where there is nothing, length is all that counts.
        List<(string Pattern, bool Whole, Place Place, string Keyword)> patterns = [];
        foreach (Place place in all)
        {
            if (Text(place, "pattern") is { } pattern) patterns.Add((pattern, false, place, "pattern"));
            if (Text(place, "format") is not { } format) continue;
            patterns.Add(Formats.TryGetValue(format, out string? form) ? (form, true, place, "format") : throw new ConstraintException(
                ConstraintProblem.Unsupported, place.Pointer, $"The format '{format}' is not supported; the formats are {string.Join(", ", Formats.Keys)}. Leave it out, or write a pattern.", "format"));
        }

        patterns = [.. patterns.DistinctBy(static pattern => (pattern.Pattern, pattern.Whole))];
        string key = string.Create(CultureInfo.InvariantCulture, $"string {min} {max} {string.Join(' ', patterns.Select(static pattern => $"{pattern.Whole} {pattern.Pattern}"))}");
        if (patterns.Count == 0) return Share(key, () => _json.StringOf(min, max));
        CharacterMachine? machine = null;
        foreach ((string pattern, bool whole, Place place, string keyword) in patterns)
        {
            try
            {
                CharacterMachine next = MachineOf(pattern, whole);
                machine = machine is null ? next : machine.Intersect(next);
            }
            catch (ConstraintException exception)
            {
                throw new ConstraintException(exception.Problem, place.Pointer, $"{exception.Location}: {exception.Message}", exception.Keyword ?? keyword, exception);
            }
        }

        if ((min, max) != (0, null)) machine = machine!.Intersect(CharacterMachine.OfLength(min, max));
        if (machine!.IsEmpty()) return Contradiction(patterns[0].Place.Pointer, "No text has both the length and the forms that are asked for.");
        return Share(key, () => JsonRules.Quoted(machine.ToExpression(_json.Written)));
    }

    private CharacterMachine MachineOf(string pattern, bool whole)
    {
        if (!_machines.TryGetValue((pattern, whole), out CharacterMachine? machine))
            _machines.Add((pattern, whole), machine = CharacterMachine.Of(whole ? RegexReader.ReadWhole(pattern) : RegexReader.ReadSearch(pattern)));
        return machine;
    }

    private Expression Number(List<Place> all, bool integer)
    {
        (decimal? low, bool lowExclusive, decimal? high, bool highExclusive) = Bounds(all);
        int? digits = integer ? 0 : null;
        foreach (Place place in all)
        {
            if (Decimal(place, "multipleOf") is not { } step) continue;

            // Powers of ten are a number of digits; other multiples are not counted by digits.
            int places = 0;
            for (decimal power = 1; power >= 0.000_000_1m && step < power; power /= 10) places++;
            if (step != (decimal)Math.Pow(10, -places))
                throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, string.Create(CultureInfo.InvariantCulture, $"'multipleOf' is supported for 1, 0.1, 0.01 and so on, not for {step}. Leave it out, or list the values in 'enum'."), "multipleOf");
            digits = Math.Min(digits ?? places, places);
        }

        if (low > high || (low == high && (lowExclusive || highExclusive))) return Contradiction(all[0].Pointer, string.Create(CultureInfo.InvariantCulture, $"No number is at least {low} and at most {high}."));
        decimal? least = low is null ? null : Math.Ceiling(low.Value) + (lowExclusive && Math.Ceiling(low.Value) == low ? 1 : 0), most = high is null ? null : Math.Floor(high.Value) - (highExclusive && Math.Floor(high.Value) == high ? 1 : 0);
        if (digits == 0 && least > most) return Contradiction(all[0].Pointer, string.Create(CultureInfo.InvariantCulture, $"No integer lies between {low} and {high}."));
        string key = string.Create(CultureInfo.InvariantCulture, $"number {low} {lowExclusive} {high} {highExclusive} {digits}");
        return Share(key, () => _numbers.Between(low, lowExclusive, high, highExclusive, digits));
    }

    private static (decimal? Low, bool LowExclusive, decimal? High, bool HighExclusive) Bounds(List<Place> all)
    {
        decimal? low = null, high = null;
        bool lowExclusive = false, highExclusive = false;
        foreach (Place place in all)
        {
            if (Decimal(place, "minimum") is { } minimum && !(low >= minimum)) (low, lowExclusive) = (minimum, false);
            if (Decimal(place, "maximum") is { } maximum && !(high <= maximum)) (high, highExclusive) = (maximum, false);
            if (Decimal(place, "exclusiveMinimum") is { } above && !(low > above)) (low, lowExclusive) = (above, true);
            if (Decimal(place, "exclusiveMaximum") is { } below && !(high < below)) (high, highExclusive) = (below, true);
        }

        return (low, lowExclusive, high, highExclusive);
    }

    // Bounds beyond decimal's range are none.
    private static decimal? Decimal(Place place, string keyword)
    {
        if (place.Keyword(keyword) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Number) throw Malformed(place, keyword, "a number");
        if (Exact(value) is { } number) return number;
        bool away = value.GetDouble() < 0 == keyword.Contains("in", StringComparison.Ordinal) && keyword != "multipleOf" && !value.TryGetDecimal(out _);
        return away ? null : throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, $"'{keyword}' is {value.GetRawText()}, which is beyond what is supported; choose a number of at most 28 digits.", keyword);
    }

    // Null where decimal can't hold the number, or would round it.
    private static decimal? Exact(JsonElement value) =>
        value.TryGetDecimal(out decimal number) && JsonElement.DeepEquals(value, JsonElement.Parse(number.ToString(CultureInfo.InvariantCulture))) ? number : null;

    // Listed values: those that every schema allows.
    private Expression Enumeration(List<Place> all, string key)
    {
        List<JsonElement>? values = null;
        foreach (Place place in all)
        {
            JsonElement[]? listed = Listed(place);
            if (listed is null) continue;
            Spend((long)listed.Length * (values?.Count ?? 1), place.Pointer);
            values = values is null ? [.. listed] : [.. values.Where(value => listed.Any(other => JsonElement.DeepEquals(value, other)))];
        }

        Spend((long)values!.Count * all.Count, all[0].Pointer);
        JsonElement[] allowed = [.. values.Where(value => all.All(place => Allows(place, value)))];
        return allowed.Length == 0
            ? Contradiction(all[0].Pointer, $"None of the listed values is allowed by all of {key}.")
            : Expression.AnyOf([.. allowed.Select(JsonRules.Literal)]);
    }

    private static JsonElement[]? Listed(Place place)
    {
        JsonElement? one = place.Keyword("const");
        if (place.Keyword("enum") is not { } list) return one is null ? null : [one.Value];
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0) throw Malformed(place, "enum", "a list of values that is not empty");
        return [.. list.EnumerateArray().Where(value => one is null || JsonElement.DeepEquals(value, one.Value))];
    }

    private bool Allows(Place place, JsonElement value)
    {
        if (place.Keyword("type") is not null && !TypesOf(place).Any(type => IsOf(value, type))) return false;
        switch (value.ValueKind)
        {
            case JsonValueKind.Number:
                (decimal? low, bool lowExclusive, decimal? high, bool highExclusive) = Bounds([place]);
                decimal? step = Decimal(place, "multipleOf");
                if (step <= 0) throw Malformed(place, "multipleOf", "a number above 0");
                if (low is null && high is null && step is null) return true;
                if (Exact(value) is not { } number) return false;
                return !(number < low) && !(number > high) && !(lowExclusive && number == low) && !(highExclusive && number == high) && (step is null || number % step.Value == 0);
            case JsonValueKind.String:
                string text = value.GetString()!;
                int length = text.EnumerateRunes().Count();
                if (length < (Count(place, "minLength") ?? 0) || length > (Count(place, "maxLength") ?? int.MaxValue)) return false;
                if (Text(place, "format") is not null) throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, "'format' beside listed values is not supported. Leave it out.", "format");
                if (Text(place, "pattern") is not { } pattern) return true;
                Spend(text.Length, place.Pointer);
                return !MachineOf(pattern, whole: false).Intersect(CharacterMachine.Of(Expression.Of(text))).IsEmpty();
            case JsonValueKind.Object or JsonValueKind.Array:
                string? beside = new[] { "properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties", "items", "prefixItems", "minItems", "maxItems" }.FirstOrDefault(keyword => place.Keyword(keyword) is not null);
                return beside is null ? true : throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, $"'{beside}' beside listed objects or arrays is not supported. List only those that it allows, and leave it out.", beside);
            default:
                return true;
        }
    }

    private static bool IsOf(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && Exact(value) is { } number && decimal.Truncate(number) == number,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => value.ValueKind == JsonValueKind.Null,
    };

    // "oneOf" is a choice like "anyOf" where no value can satisfy two of its alternatives, and that must be seen from the schemas: other types, other listed values, or a required
    // property that tells them apart.
    private void CheckDisjoint(Place place, Place[] alternatives)
    {
        for (int i = 0; i < alternatives.Length; i++)
        {
            for (int j = i + 1; j < alternatives.Length; j++)
            {
                if (AreDisjoint([alternatives[i]], [alternatives[j]], 0)) continue;
                throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, $"A value might satisfy both alternative {i} and alternative {j} of 'oneOf', which then is not satisfied. Write 'anyOf', or give them a required property with a 'const' that tells them apart.", "oneOf");
            }
        }
    }

    private bool AreDisjoint(List<Place> a, List<Place> b, int depth)
    {
        List<Place> allA = [], allB = [];
        HashSet<string> keysA = [], keysB = [];
        if (depth > 8 || !a.All(place => Flatten(place, allA, keysA, [])) || !b.All(place => Flatten(place, allB, keysB, []))) return depth <= 8;
        Spend(Size(allA) + Size(allB) + (Listing(allA) * Listing(allB)), a[0].Pointer);
        foreach ((List<Place> left, List<Place> right) in new[] { (allA, allB), (allB, allA) })
        {
            // Alternatives within one are looked at one by one.
            foreach (Place place in left)
            {
                foreach (string keyword in new[] { "anyOf", "oneOf" })
                {
                    if (place.Keyword(keyword) is not { } list) continue;
                    List<Place> rest = [.. left.Where(other => other != place), place.Without(keyword)];
                    return Children(place, keyword, list).All(alternative => AreDisjoint([.. rest, alternative], right, depth + 1));
                }
            }
        }

        string[] typesA = Types(allA), typesB = Types(allB);
        if (!typesA.Any(type => typesB.Contains(type) || (type == "integer" && typesB.Contains("number")) || (type == "number" && typesB.Contains("integer")))) return true;
        if (ListsOthers(allA, allB) || ListsOthers(allB, allA)) return true;
        if (!(typesA is ["object"] && typesB is ["object"])) return false;
        foreach (string name in allA.Concat(allB).SelectMany(Required).Distinct())
        {
            Place[] ofA = Property(allA, name), ofB = Property(allB, name);
            if (ofA.Length > 0 && ofB.Length > 0 && AreDisjoint([.. ofA], [.. ofB], depth + 1)) return true;
        }

        return false;

        static long Size(List<Place> all) => all.Sum(static place => place.Keyword("properties") is { ValueKind: JsonValueKind.Object } properties ? 1L + properties.GetPropertyCount() : 1);
        static long Listing(List<Place> all) => 1 + all.Sum(static place => place.Keyword("enum") is { ValueKind: JsonValueKind.Array } list ? (long)list.GetArrayLength() : 1);

        // Whether one side lists its values, and the other has no room for any of them: by its own list, or by the types that it names.
        static bool ListsOthers(List<Place> listing, List<Place> other) => listing.Select(Listed).FirstOrDefault(static list => list is not null) is { } values && values.All(value => other.Any(place =>
            (Listed(place) is { } others && !others.Any(one => JsonElement.DeepEquals(value, one))) || (place.Keyword("type") is not null && !TypesOf(place).Any(type => IsOf(value, type == "integer" ? "number" : type)))));

        // Only what is said counts here: a schema without a type allows all of them.
        static string[] Types(List<Place> all) => all.Select(static place => place.Keyword("type") is null ? null : TypesOf(place))
            .Where(static types => types is not null).Aggregate((string[])[.. AllTypes, "integer"], static (types, next) => [.. types.Where(type => next!.Contains(type) || (type == "integer" && next!.Contains("number")))]);

        static Place[] Property(List<Place> all, string name) => [.. all.Select(place => place.Keyword("properties") is { ValueKind: JsonValueKind.Object } properties && properties.TryGetProperty(name, out JsonElement schema)
            ? place.Child("properties/" + name, schema)
            : place.Keyword("additionalProperties") is { } others ? place.Child("additionalProperties", others) : null).OfType<Place>()];
    }
}
