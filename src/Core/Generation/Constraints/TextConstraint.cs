using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MLNet.Gpt;

/// <summary>
/// What a generated text must be: one of several texts, a match of a regular expression, JSON that satisfies a schema or fits a C# type, a sentence of a grammar.
/// </summary>
/// <remarks>
/// Immutable; equal where its values are; may be shared between threads and models, and is saved with a transformer's options. A text that ends with
/// <see cref="FinishReason.StopToken"/> satisfies the constraint; one that ends otherwise may be its beginning only. docs/constrained-decoding.md tells what each kind supports.
/// </remarks>
public sealed record TextConstraint
{
    private const int MostCompiled = 64; // of one tokenizer: an app has a few, a service whose callers send schemas many
    private const string HalfAPair = "holds half of a surrogate pair, which no text can hold; write the whole character.";

    private static readonly ConditionalWeakTable<GptTokenizer, ConcurrentDictionary<object, ITokenConstraint>> Compiled = [];

    /// <summary>How it is written.</summary>
    public required TextConstraintKind Kind { get; init; }

    /// <summary>The texts as a JSON array, the regular expression, the schema or the grammar.</summary>
    public required string Source { get; init; }

    /// <summary>The rule that a grammar begins with. Default "root". Read for <see cref="TextConstraintKind.Grammar"/> only.</summary>
    public string StartRule { get; init; } = "root";

    /// <summary>The white space in JSON. Default <see cref="JsonWhitespace.None"/>. Read for <see cref="TextConstraintKind.JsonSchema"/> only.</summary>
    public JsonWhitespace Whitespace { get; init; } = JsonWhitespace.None;

    /// <summary>One of several texts.</summary>
    /// <param name="texts">The texts, one or more; an empty one means that nothing may be written at all.</param>
    /// <exception cref="ArgumentException">There is no text, or one is null or holds half of a surrogate pair.</exception>
    public static TextConstraint Choice(params IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0) throw new ArgumentException("There is no text to choose; give one or more.", nameof(texts));
        for (int i = 0; i < texts.Count; i++)
        {
            if (texts[i] is null) throw new ArgumentException($"Text {i} is null; give it a text, or leave it out.", nameof(texts));
            if (!IsWellFormed(texts[i])) throw new ArgumentException($"Text {i} {HalfAPair}", nameof(texts));
        }

        return new() { Kind = TextConstraintKind.Choice, Source = JsonSerializer.Serialize(texts) };
    }

    /// <summary>A match of a regular expression, from its first character to its last.</summary>
    /// <param name="pattern">The expression, in the part of the language that .NET and ECMAScript read alike.</param>
    public static TextConstraint Regex(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return new() { Kind = TextConstraintKind.Regex, Source = pattern };
    }

    /// <summary>A JSON document that satisfies a schema.</summary>
    /// <param name="schema">The schema (draft 2020-12, or an older one's same keywords).</param>
    /// <param name="whitespace">The white space.</param>
    public static TextConstraint JsonSchema(string schema, JsonWhitespace whitespace = JsonWhitespace.None)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return new() { Kind = TextConstraintKind.JsonSchema, Source = schema, Whitespace = whitespace };
    }

    /// <summary>Any JSON object.</summary>
    /// <param name="whitespace">The white space.</param>
    public static TextConstraint JsonObject(JsonWhitespace whitespace = JsonWhitespace.None) => JsonSchema(JsonSchemaReader.AnyObject.GetRawText(), whitespace);

    /// <summary>JSON that System.Text.Json deserializes as a type.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="options">How the type is deserialized; null for <see cref="JsonSerializerOptions.Default"/>.</param>
    /// <param name="whitespace">The white space.</param>
    /// <exception cref="NotSupportedException">System.Text.Json has no schema for the type.</exception>
    public static TextConstraint Json<T>(JsonSerializerOptions? options = null, JsonWhitespace whitespace = JsonWhitespace.None) => Json(typeof(T), options, whitespace);

    /// <summary>JSON that System.Text.Json deserializes as a type.</summary>
    /// <param name="type">The type.</param>
    /// <param name="options">How the type is deserialized; null for <see cref="JsonSerializerOptions.Default"/>.</param>
    /// <param name="whitespace">The white space.</param>
    /// <exception cref="NotSupportedException">System.Text.Json has no schema for the type.</exception>
    public static TextConstraint Json(Type type, JsonSerializerOptions? options = null, JsonWhitespace whitespace = JsonWhitespace.None)
    {
        ArgumentNullException.ThrowIfNull(type);
        JsonNode schema = TypeSchema.Of(type, options ?? JsonSerializerOptions.Default);
        return JsonSchema(schema.ToJsonString(), whitespace);
    }

    /// <summary>A sentence of a context-free grammar.</summary>
    /// <param name="gbnf">The rules, in llama.cpp's GBNF.</param>
    /// <param name="startRule">The rule that a text is.</param>
    public static TextConstraint Grammar(string gbnf, string startRule = "root")
    {
        ArgumentNullException.ThrowIfNull(gbnf);
        ArgumentException.ThrowIfNullOrEmpty(startRule);
        return new() { Kind = TextConstraintKind.Grammar, Source = gbnf, StartRule = startRule };
    }

    /// <summary>The constraint for a tokenizer's tokens. Made once for each tokenizer and kept with it; what it learns while it is used is shared by all its users.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <exception cref="ConstraintException">The constraint can't be used; the exception tells why and where.</exception>
    public ITokenConstraint Compile(GptTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Compile(tokenizer, this, ToGrammar);
    }

    /// <summary>The constraint of a grammar, made once for each tokenizer and key.</summary>
    internal static ITokenConstraint Compile(GptTokenizer tokenizer, object key, Func<Grammar> grammar)
    {
        ConcurrentDictionary<object, ITokenConstraint> compiled = Compiled.GetOrCreateValue(tokenizer);
        if (compiled.TryGetValue(key, out ITokenConstraint? found)) return found;
        if (compiled.Count >= MostCompiled) compiled.Clear();
        return compiled.GetOrAdd(key, new GrammarConstraint(new GrammarAutomaton(grammar(), TokenTrie.Of(tokenizer))));
    }

    private Grammar ToGrammar() => Kind switch
    {
        TextConstraintKind.Choice => ChoiceGrammar(Source),
        TextConstraintKind.Regex => MLNet.Gpt.Grammar.Of(RegexReader.ReadWhole(Source)),
        TextConstraintKind.JsonSchema => JsonSchemaReader.Read(Source, Whitespace),
        TextConstraintKind.Grammar => GbnfReader.Read(Source, StartRule),
        _ => throw new ArgumentOutOfRangeException(nameof(Kind), Kind, $"{Kind} is none of {nameof(TextConstraintKind)}'s values."),
    };

    private static bool IsWellFormed(string text) => GptTokenizer.WellFormed(text) == text;

    private static Grammar ChoiceGrammar(string source)
    {
        try
        {
            string[] texts = StrictJson.Deserialize<string[]>(source, JsonSerializerOptions.Default);
            if (texts.Length > 0 && texts.All(static text => text is not null)) return MLNet.Gpt.Grammar.Of(Expression.AnyOf([.. texts.Select(Expression.Of)]));
            throw new ConstraintException(ConstraintProblem.Syntax, "the texts", "There is no text to choose, or one is null; give one or more texts.");
        }
        catch (JsonException exception)
        {
            throw new ConstraintException(ConstraintProblem.Syntax, "the texts", "The source is not a JSON array of strings; make the constraint with TextConstraint.Choice.", innerException: exception);
        }
    }
}
