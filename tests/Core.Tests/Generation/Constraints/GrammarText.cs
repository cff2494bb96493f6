using System.Text;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

/// <summary>
/// What a grammar accepts, read byte by byte. Everything is made for the occasion, so that nothing is left over from an earlier reading of the same grammar, and the vocabulary is a
/// small one: a few milliseconds.
/// </summary>
internal sealed class GrammarText(Grammar grammar, GptTokenizer? tokenizer = null)
{
    public GrammarAutomaton Automaton { get; } = new(grammar, TokenTrie.Of(tokenizer ?? Bytes()));

    /// <summary>A token for each byte, the end of the text, and "ab" and "abc".</summary>
    public static GptTokenizer Bytes()
    {
        using var folder = new TemporaryFolder();
        return GptTokenizer.FromTiktoken(folder.Write("bytes.tiktoken", TokenizerFiles.Tiktoken()));
    }

    public bool Accepts(string text) => After(text).IsAccepting;

    public bool Accepts(params byte[] text) => After(text).IsAccepting;

    /// <summary>Whether the text or something that begins with it is accepted.</summary>
    public bool Begins(string text) => !ReferenceEquals(After(text), Automaton.Dead);

    public GrammarAutomaton.State After(string text) => After(Encoding.UTF8.GetBytes(text));

    public GrammarAutomaton.State After(byte[] text) => text.Aggregate(Automaton.Start, Automaton.Step);

    /// <summary>All texts of up to some characters.</summary>
    public static IEnumerable<string> All(string alphabet, int length) =>
        length == 0 ? [""] : All(alphabet, length - 1).SelectMany(text => text.Length == length - 1 ? alphabet.Select(c => text + c).Prepend(text) : [text]);

    /// <summary>Holds an expression to a list of texts that are accepted and one of texts that are not.</summary>
    public static void Check(Grammar grammar, IEnumerable<string> accepted, IEnumerable<string> refused)
    {
        var text = new GrammarText(grammar);
        foreach (string one in accepted) Assert.IsTrue(text.Accepts(one), $"'{one}' is refused");
        foreach (string one in refused) Assert.IsFalse(text.Accepts(one), $"'{one}' is accepted");
    }

    /// <summary>What is refused, where, with which words.</summary>
    public static void Refuses(Func<object?> make, ConstraintProblem problem, string location, string message, string? keyword = null)
    {
        var error = Assert.ThrowsExactly<ConstraintException>(() => _ = make());
        Assert.AreEqual($"The constraint can't be used, at {location}: {message}", error.Message);
        Assert.AreEqual((problem, location, keyword), (error.Problem, error.Location, error.Keyword));
    }
}
