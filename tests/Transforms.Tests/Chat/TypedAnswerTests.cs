using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Chat;

/// <summary>Answers of a model that has learnt nothing, asked for as C# types: each that is whole is read as its type.</summary>
[TestClass]
public sealed class TypedAnswerTests
{
    // Most of JSON's own signs, some letters for texts, and no others: what a pattern does not ask for is rare.
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters([string.Concat(Enumerable.Range(32, 95).Select(static c => (char)c)) + "é\n"]);

    [TestMethod]
    public async Task Whole_numbers_lie_within_their_types_ranges()
    {
        await Check<byte>();
        await Check<sbyte>();
        await Check<short>();
        await Check<ushort>();
        await Check<int>();
        await Check<uint>();
        await Check<long>();
        await Check<ulong>();
        await Check<Int128>();
        await Check<UInt128>();
    }

    [TestMethod]
    public async Task Fractions_are_finite()
    {
        await Check<Half>(static value => Half.IsFinite(value));
        await Check<float>(static value => float.IsFinite(value));
        await Check<double>(static value => double.IsFinite(value));
        await Check<decimal>();
    }

    [TestMethod]
    public async Task Texts_have_their_types_forms()
    {
        await Check<DateTime>();
        await Check<DateTimeOffset>();
        await Check<DateOnly>();
        await Check<TimeOnly>();
        await Check<TimeSpan>();
        await Check<Guid>();
        await Check<Uri>();
        await Check<Version>();
        await Check<char>();
        await Check<byte[]>();
        await Check<string>();
        await Check<bool>();
        await Check<Color>(static value => Enum.IsDefined(value));
        await Check<Named>(static value => Enum.IsDefined(value));
        await Check<Rights>();
    }

    [TestMethod]
    public async Task What_may_be_null_is_null_or_its_type()
    {
        await Check<byte?>();
        await Check<DateTime?>();
        await Check<Color?>();
        await Check<Guid?>();
        await Check<string?>();
    }

    [TestMethod]
    public async Task Lists_and_dictionaries_hold_their_types()
    {
        await Check<byte[][]>();
        await Check<List<short>>();
        await Check<HashSet<uint>>();
        await Check<ImmutableArray<sbyte>>();
        await Check<Dictionary<string, byte>>();
        await Check<Dictionary<int, string>>();
        await Check<Dictionary<Color, int>>();
        await Check<Dictionary<Guid, ushort>>();
        await Check<Dictionary<DateTime, bool>>();
        await Check<KeyValuePair<string, ushort>>();
    }

    [TestMethod]
    public async Task Members_are_there_where_they_must_be()
    {
        await Check<Needs>(static value => value.C is not null);
        await Check<Holder<Needs[]>[]>();
        await Check<Tree>();
        await Check<JsonElement>();
        await Check<object>();
    }

    [TestMethod]
    public void A_form_of_JSON_alone_is_a_response_format()
    {
        Assert.AreEqual("""{"type":"integer","minimum":0,"maximum":255}""", ((ChatResponseFormatJson)TextConstraint.Json<byte>().AsResponseFormat()).Schema!.Value.GetRawText());
        Assert.AreEqual(nameof(TextConstraint.Kind), Assert.ThrowsExactly<UnsupportedOptionException>(() => TextConstraint.Choice("a").AsResponseFormat()).Option);
        Assert.AreEqual(ConstraintProblem.Syntax, Assert.ThrowsExactly<ConstraintException>(() => TextConstraint.JsonSchema("{").AsResponseFormat()).Problem);
        Assert.AreEqual(ConstraintProblem.TooLarge, Assert.ThrowsExactly<ConstraintException>(() => TextConstraint.JsonSchema(new string('[', 65)).AsResponseFormat()).Problem);
    }

    private static async Task Check<T>(Func<T, bool>? holds = null)
    {
        using GptModel model = Untrained();
        using IChatClient client = model.AsChatClient();
        TextConstraint constraint = TextConstraint.Json<Holder<T>>();
        int whole = 0;
        for (int seed = 0; seed < 24; seed++)
        {
            ChatResponse answer = await client.GetResponseAsync("go", new ChatOptions { Seed = seed, MaxOutputTokens = 600, ResponseFormat = constraint.AsResponseFormat() });
            GeneratedText text = model.Generate(["go"], new GenerateTextOptions { Seed = seed, MaxNewTokens = 600, Constraint = constraint })[0];
            foreach (string json in (string[])[.. answer.FinishReason == ChatFinishReason.Stop ? new[] { answer.Text } : [], .. text.FinishReason == FinishReason.StopToken ? new[] { text.Text } : []])
            {
                whole++;
                try
                {
                    Holder<T> read = JsonSerializer.Deserialize<Holder<T>>(json)!;
                    Assert.IsTrue(read.Value is null || holds?.Invoke(read.Value) != false, json);
                }
                catch (JsonException exception)
                {
                    Assert.Fail($"{typeof(T)}: {json}: {exception.Message}");
                }
            }
        }

        Assert.IsGreaterThan(10, whole, $"{typeof(T)}");
    }

    private static GptModel Untrained()
    {
        int step = 0;
        var engine = new HistoryModel(Letters.VocabularySize, 700, history =>
        {
            float[] logits = new float[Letters.VocabularySize];
            var random = new Random((history.Count * 1_000) + history[^1] + step++);
            for (int i = 0; i < logits.Length; i++) logits[i] = random.NextSingle() * 2;
            foreach (char c in "}]\"") logits[Letters.Encode(c.ToString())[0]] += 2; // or no text would end
            return logits;
        });
        return new GptModel(engine, Letters, ChatTemplate.Default);
    }

    public sealed record Holder<T>(T Value);

    public sealed class Needs
    {
        public required byte A { get; init; }

        public int? B { get; set; }

        [JsonRequired]
        public string C { get; set; } = "";
    }

    public sealed record Tree(byte Value, Tree[] Children);

    public enum Color
    {
        Red,
        Green = 300,
        Blue,
    }

    [JsonConverter(typeof(JsonStringEnumConverter<Named>))]
    public enum Named
    {
        One,
        Two,
    }

    [Flags]
    public enum Rights
    {
        None = 0,
        Read = 1,
        Write = 2,
    }
}
