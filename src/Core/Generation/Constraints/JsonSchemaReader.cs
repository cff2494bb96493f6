using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// Turns a JSON Schema into a grammar. Every schema that is met becomes a rule, so that references may go in circles; schemas that apply together (allOf, a reference beside other
/// keywords, the same property in several of them) become one rule for all. What is written satisfies the schema; not all that satisfies it is written.
/// </summary>
internal sealed partial class JsonSchemaReader
{
    // They say nothing about what is valid.
    private static readonly HashSet<string> Annotations =
        ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding"];

    private static readonly HashSet<string> Supported =
    [
        "$ref", "allOf", "anyOf", "oneOf", "type", "enum", "const", "properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties",
        "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    ];

    /// <summary>The schema of any object.</summary>
    public static readonly JsonElement AnyObject = JsonElement.Parse("""{"type":"object"}""");

    // Of references that are followed within one schema. Each is a few calls deep.
    private const int MostReferences = 256;

    // Of what is compared and named while a schema is read: lists within lists multiply, and a service's callers send schemas.
    private const long MostSteps = 10_000_000;

    private static readonly JsonElement AnyString = JsonElement.Parse("""{"type":"string"}""");

    private static readonly string[] AllTypes = ["object", "array", "string", "number", "boolean", "null"];

    private readonly JsonElement _root;
    private readonly Grammar _grammar;
    private readonly JsonRules _json;
    private readonly JsonNumbers _numbers;
    private readonly Dictionary<string, int> _rules = [];
    private readonly Queue<(int Rule, Place[] Places, string Key)> _undefined = []; // a chain of references may be longer than the stack
    private readonly Dictionary<string, Expression> _shared = [];
    private readonly Dictionary<(string Pattern, bool Whole), CharacterMachine> _machines = [];
    private long _steps;

    private JsonSchemaReader(JsonElement root, Grammar grammar, JsonWhitespace whitespace)
    {
        _root = root;
        _grammar = grammar;
        _json = new JsonRules(_grammar, whitespace);
        _numbers = new JsonNumbers(_grammar);
    }

    public static Grammar Read(string schema, JsonWhitespace whitespace)
    {
        var grammar = new Grammar();
        grammar.Root = AddTo(grammar, Parse(schema), whitespace).Rule;
        return grammar;
    }

    /// <summary>A schema's text as JSON.</summary>
    /// <exception cref="ConstraintException">It is none, or is nested too deep.</exception>
    public static JsonElement Parse(string schema)
    {
        try
        {
            using JsonDocument document = StrictJson.Parse(schema);
            return document.RootElement.Clone();
        }
        catch (JsonDepthException exception)
        {
            throw new ConstraintException(ConstraintProblem.TooLarge, "the schema", $"{exception.Message} Put the inner schemas into '$defs' and refer to them.", innerException: exception);
        }
        catch (JsonException exception)
        {
            throw new ConstraintException(ConstraintProblem.Syntax, "the schema", $"It is not JSON: {exception.Message}", innerException: exception);
        }
    }

    /// <summary>Adds the rules of a schema to a grammar and gives the one that a document is.</summary>
    public static Expression.Call AddTo(Grammar grammar, JsonElement schema, JsonWhitespace whitespace) =>
        new JsonSchemaReader(schema, grammar, whitespace).Add([new Place(schema, "#")]);

    /// <summary>As <see cref="AddTo"/>, for documents that are objects, whatever else the schema allows.</summary>
    public static Expression.Call AddObjectTo(Grammar grammar, JsonElement schema, JsonWhitespace whitespace) =>
        new JsonSchemaReader(schema, grammar, whitespace).Add([new Place(schema, "#"), new Place(AnyObject, "an object")]);

    private Expression.Call Add(IReadOnlyList<Place> places)
    {
        int first = _grammar.Rules.Count;
        Expression.Call root = RuleOf(places);
        while (_undefined.TryDequeue(out (int Rule, Place[] Places, string Key) next)) _grammar.Define(next.Rule, Body(next.Places, next.Key));
        return new Expression.Call(JsonNesting.Limit(_grammar, first, root.Rule, StrictJson.MaxDepth));
    }

    /// <summary>The rule of schemas that apply together.</summary>
    private Expression.Call RuleOf(IReadOnlyList<Place> places)
    {
        // 1. A reference alone is its target.
        Place[] resolved = [.. places.Select(Resolve).DistinctBy(static place => place.Key).OrderBy(static place => place.Key, StringComparer.Ordinal)];
        Spend(resolved.Sum(static place => place.Length), "#");
        string key = string.Join(" and ", resolved.Select(static place => place.Key));
        if (_rules.TryGetValue(key, out int rule)) return new Expression.Call(rule);

        // 2. The rule is there before its body, which may lead back to it.
        _rules.Add(key, rule = _grammar.Declare(key));
        _undefined.Enqueue((rule, resolved, key));
        return new Expression.Call(rule);
    }

    private Expression Body(IReadOnlyList<Place> places, string key)
    {
        List<Place> all = [];
        var keys = new HashSet<string>();
        foreach (Place place in places)
        {
            if (!Flatten(place, all, keys, [])) return Contradiction(place.Pointer, "The schema 'false' allows nothing.");
        }

        // Alternatives: each together with everything else.
        for (int i = 0; i < all.Count; i++)
        {
            foreach (string keyword in new[] { "anyOf", "oneOf" })
            {
                Place place = all[i];
                if (place.Keyword(keyword) is not { } list) continue;
                Place rest = place.Without(keyword);
                Place[] alternatives = Children(place, keyword, list);
                if (keyword == "oneOf") CheckDisjoint(place, alternatives);
                IEnumerable<Place> others = all.Where((_, index) => index != i).Concat(rest.IsEmpty ? [] : [rest]);
                return Expression.AnyOf([.. alternatives.Select(alternative => (Expression)RuleOf([.. others, alternative]))]);
            }
        }

        return Plain(all, key);
    }

    // Schemas without alternatives: a value of each type that all of them allow.
    private Expression Plain(List<Place> all, string key)
    {
        if (all.Count == 0) return _json.Value;
        if (all.Any(static place => place.Keyword("const") is not null || place.Keyword("enum") is not null)) return Enumeration(all, key);
        IReadOnlyList<string> types = TypesOf(all);
        if (types.Count == 0) return Contradiction(all[0].Pointer, $"The types that {key} ask for exclude each other.");
        return Expression.AnyOf([.. types.Select(type => type switch
        {
            "object" => Object(all, key),
            "array" => Array(all, key),
            "string" => String(all),
            "number" or "integer" => Number(all, type == "integer"),
            "boolean" => Expression.AnyOf(Expression.Of("true"), Expression.Of("false")),
            _ => Expression.Of("null"),
        })]);
    }

    // Puts a schema and all that it refers to into a list. False where it allows nothing.
    private bool Flatten(Place place, List<Place> all, HashSet<string> keys, HashSet<string> references)
    {
        if (place.Schema.ValueKind == JsonValueKind.True) return true;
        if (place.Schema.ValueKind == JsonValueKind.False) return false;
        if (references.Count > MostReferences)
            throw new ConstraintException(ConstraintProblem.TooLarge, place.Pointer, $"More than {MostReferences} references beside other keywords lead from one to the next; write what they ask for in one schema.", "$ref");
        Check(place);
        if (place.Keyword("$ref") is not null)
        {
            Place target = Target(place);
            if (!references.Add(target.Key)) throw new ConstraintException(ConstraintProblem.EndlessRecursion, place.Pointer, "The reference leads back to itself without anything in between.", "$ref");
            if (!Flatten(target, all, keys, references)) return false;
            references.Remove(target.Key);
            place = place.Without("$ref");
        }

        if (place.Keyword("allOf") is { } list)
        {
            foreach (Place part in Children(place, "allOf", list))
            {
                if (!Flatten(part, all, keys, references)) return false;
            }

            place = place.Without("allOf");
        }

        Spend(1 + (place.Length / 16), place.Pointer);
        if (!place.IsEmpty && keys.Add(place.Key)) all.Add(place);
        return true;
    }

    private Place Resolve(Place place)
    {
        var seen = new HashSet<string>();
        while (place.Schema.ValueKind == JsonValueKind.Object && place.Keyword("$ref") is not null && place.Without("$ref").IsEmpty)
        {
            if (!seen.Add(place.Key)) throw new ConstraintException(ConstraintProblem.EndlessRecursion, place.Pointer, "The reference leads back to itself without anything in between.", "$ref");
            place = Target(place);
        }

        return place;
    }

    private Place Target(Place place)
    {
        string reference = Text(place, "$ref")!;
        if (!reference.StartsWith('#') || (reference.Length > 1 && reference[1] != '/'))
            throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, $"The reference '{reference}' leads out of the schema or to an anchor, which is not supported. Put the schema under $defs and write '#/$defs/name'.", "$ref");
        JsonElement schema = _root;
        string pointer = "#";
        foreach (string part in Uri.UnescapeDataString(reference).Split('/').Skip(1))
        {
            string name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool found = schema.ValueKind switch
            {
                JsonValueKind.Object => schema.TryGetProperty(name, out schema),
                JsonValueKind.Array when int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index < schema.GetArrayLength() => (schema = schema[index]).ValueKind != JsonValueKind.Undefined,
                _ => false,
            };
            if (!found) throw new ConstraintException(ConstraintProblem.UndefinedReference, place.Pointer, $"The reference '{reference}' leads to nothing; define it, or mend its name.", "$ref");
            pointer += "/" + part;
        }

        return new Place(schema, pointer);
    }

    private void Check(Place place)
    {
        if (place.Schema.ValueKind != JsonValueKind.Object)
            throw new ConstraintException(ConstraintProblem.Syntax, place.Pointer, $"A schema is an object, true or false; here stands {place.Schema.ValueKind}.");
        foreach (JsonProperty property in place.Schema.EnumerateObject())
        {
            if (Supported.Contains(property.Name) || Annotations.Contains(property.Name) || property.Name.StartsWith("x-", StringComparison.Ordinal)) continue;
            throw new ConstraintException(ConstraintProblem.Unsupported, place.Pointer, $"The keyword '{property.Name}' is not supported. Leave it out, and check what it asks for when the value is there.", property.Name);
        }
    }

    private Place[] Children(Place place, string keyword, JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0) throw Malformed(place, keyword, "a list of schemas that is not empty");
        Spend((long)list.GetArrayLength() * place.Length, place.Pointer);
        return [.. list.EnumerateArray().Select((schema, i) => new Place(schema, $"{place.Pointer}/{keyword}/{i}"))];
    }

    /// <summary>Counts what is about to be done.</summary>
    /// <exception cref="ConstraintException">It is too much.</exception>
    private void Spend(long steps, string pointer)
    {
        if ((_steps += steps) > MostSteps)
            throw new ConstraintException(ConstraintProblem.TooLarge, CheckpointJson.Shorten(pointer), $"Reading the schema takes more than {MostSteps} steps, since lists in it multiply: alternatives within alternatives, listed values beside listed values, or members beside all of these. Write fewer or shorter ones.");
    }

    private IReadOnlyList<string> TypesOf(List<Place> all)
    {
        List<string> types = [.. AllTypes];
        foreach (Place place in all) types = Intersect(types, TypesOf(place));
        return types;

        // An integer is a number.
        static List<string> Intersect(List<string> a, IReadOnlyList<string> b) =>
            [.. a.Where(type => b.Contains(type) || (type == "integer" && b.Contains("number"))).Concat(a.Contains("number") && !b.Contains("number") && b.Contains("integer") ? ["integer"] : []).Distinct()];
    }

    // Where no type is named, a schema's other keywords tell what it is about: a value of another type would satisfy it too, and is not what is meant.
    private static IReadOnlyList<string> TypesOf(Place place)
    {
        if (place.Keyword("type") is not { } type)
        {
            List<string> meant = [];
            if (Has("properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties")) meant.Add("object");
            if (Has("items", "prefixItems", "minItems", "maxItems")) meant.Add("array");
            if (Has("minLength", "maxLength", "pattern", "format")) meant.Add("string");
            if (Has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")) meant.Add("number");
            return meant.Count == 0 ? AllTypes : meant;
        }

        string?[] names = type.ValueKind switch
        {
            JsonValueKind.String => [type.GetString()],
            JsonValueKind.Array => [.. type.EnumerateArray().Select(static name => name.ValueKind == JsonValueKind.String ? name.GetString() : null)],
            _ => [null],
        };
        foreach (string? name in names)
        {
            if (name is null || (name != "integer" && !AllTypes.Contains(name))) throw Malformed(place, "type", $"one or several of {string.Join(", ", AllTypes)} and integer");
        }

        return names.Contains("number") ? [.. names.Where(static name => name != "integer").Select(static name => name!)] : [.. names.Select(static name => name!)];

        bool Has(params string[] keywords) => keywords.Any(keyword => place.Keyword(keyword) is not null);
    }

    private Expression Contradiction(string pointer, string message)
    {
        _grammar.Contradiction ??= new ConstraintException(ConstraintProblem.Contradictory, pointer, message);
        return Expression.Never;
    }

    private Expression Share(string key, Func<Expression> body)
    {
        if (_shared.TryGetValue(key, out Expression? found)) return found;
        int rule = _grammar.Declare(key);
        _shared.Add(key, found = new Expression.Call(rule));
        _grammar.Define(rule, body());
        return found;
    }

    private static string? Text(Place place, string keyword)
    {
        if (place.Keyword(keyword) is not { } value) return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Malformed(place, keyword, "a string");
    }

    private static int? Count(Place place, string keyword)
    {
        if (place.Keyword(keyword) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= 0 && Math.Floor(number) == number)
        {
            if (number <= Expression.MostRepetitions) return (int)number;
            throw new ConstraintException(ConstraintProblem.TooLarge, place.Pointer, $"'{keyword}' is {value.GetRawText()}; the most is {Expression.MostRepetitions}. Lower it, or leave it out where it is a maximum.", keyword);
        }

        throw Malformed(place, keyword, "an integer of 0 or more");
    }

    private static (int Min, int? Max) Counts(List<Place> all, string minKeyword, string maxKeyword)
    {
        int min = all.Max(place => Count(place, minKeyword) ?? 0);
        int? max = all.Min(place => Count(place, maxKeyword));
        return (min, max);
    }

    private static ConstraintException Malformed(Place place, string keyword, string expected) =>
        new(ConstraintProblem.Syntax, place.Pointer, $"'{keyword}' must be {expected}.", keyword);

    /// <summary>A schema, where it stands, and which of its keywords have been dealt with.</summary>
    private sealed record Place(JsonElement Schema, string Pointer)
    {
        private string[] Done { get; init; } = [];

        /// <summary>The steps that it takes to name it.</summary>
        public int Length => 1 + (Pointer.Length / 4);

        public string Key => Done.Length == 0 ? Pointer : $"{Pointer} without {string.Join(", ", Done)}";

        /// <summary>Whether nothing is left that says what is valid.</summary>
        public bool IsEmpty => Schema.ValueKind == JsonValueKind.Object
            && Schema.EnumerateObject().All(property => Annotations.Contains(property.Name) || property.Name.StartsWith("x-", StringComparison.Ordinal) || Done.Contains(property.Name));

        public JsonElement? Keyword(string name) =>
            Schema.ValueKind == JsonValueKind.Object && !Done.Contains(name) && Schema.TryGetProperty(name, out JsonElement value) ? value : null;

        public Place Without(string keyword) => this with { Done = [.. Done, keyword] };

        public Place Child(string path, JsonElement schema) => new(schema, $"{Pointer}/{path}");
    }
}
