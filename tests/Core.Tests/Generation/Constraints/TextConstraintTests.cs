using System.Text.RegularExpressions;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class TextConstraintTests
{
    public static IEnumerable<object[]> Expressions => ConstraintSamples.Expressions.Select(static (pattern, i) => new object[] { i, pattern });

    public static IEnumerable<object[]> Grammars => ConstraintSamples.Grammars.Select(static (grammar, i) => new object[] { i, grammar });

    [TestMethod]
    [DynamicData(nameof(Expressions))]
    [TestCategory("Long")]
    public void What_an_untrained_model_writes_matches_as_a_whole_in_DotNet_and_as_ECMAScript(int index, string pattern)
    {
        foreach (string text in ConstrainedTexts.Write(TextConstraint.Regex(pattern), count: 12, seed: index))
        {
            Assert.IsTrue(Regex.IsMatch(text, $@"\A(?:{pattern})\z", RegexOptions.CultureInvariant), text);
            if (!pattern.Contains(@"\p", StringComparison.Ordinal) && !pattern.Contains(@"\P", StringComparison.Ordinal) && !pattern.Contains("?<", StringComparison.Ordinal))
                Assert.IsTrue(Regex.IsMatch(text, $@"^(?:{pattern})$", RegexOptions.ECMAScript), text);
        }
    }

    [TestMethod]
    [DataRow("a{2,3}|b*c", "aa|aaa|c|bbc", "a|aaaa|b|aab")]
    [DataRow(@"\w+", "a_1", "ä|a-|")]
    [DataRow(@"[^a-c]", "d|ä|漢", "a||😀|dd")]
    [DataRow(@"^a$|b", "a|b", "ab|c")]
    [DataRow(@"(?:^|,)x", "x|,x", "x,x")]
    [DataRow(@"a(^b)?", "a", "ab")]
    [DataRow(@"[\x41-\u0043\-\]]+", "ABC-]", "D")]
    [DataRow(@"\u00e9\.\t", "é.\t", "é,\t")]
    [DataRow("", "", "a")]
    public void An_expression_allows_these_texts_and_not_those(string pattern, string allowed, string refused)
    {
        // "|" separates; none of the texts holds one.
        Func<string, bool> allows = ConstrainedTexts.Allowed(TextConstraint.Regex(pattern));
        foreach (string text in allowed.Split('|')) Assert.IsTrue(allows(text), text);
        foreach (string text in refused.Split('|')) Assert.IsFalse(allows(text), text);
    }

    [TestMethod]
    [DataRow("a**", ConstraintProblem.Syntax, null)]
    [DataRow("*a", ConstraintProblem.Syntax, null)]
    [DataRow("(a", ConstraintProblem.Syntax, null)]
    [DataRow("a)", ConstraintProblem.Syntax, null)]
    [DataRow("[a", ConstraintProblem.Syntax, null)]
    [DataRow("[b-a]", ConstraintProblem.Syntax, null)]
    [DataRow("a{3,2}", ConstraintProblem.Syntax, null)]
    [DataRow("a{x}", ConstraintProblem.Syntax, null)]
    [DataRow("a\\", ConstraintProblem.Syntax, null)]
    [DataRow(@"(a)\1", ConstraintProblem.Unsupported, "a back-reference")]
    [DataRow(@"a(?!b)", ConstraintProblem.Unsupported, "lookahead")]
    [DataRow(@"(?<=a)b", ConstraintProblem.Unsupported, "lookbehind")]
    [DataRow(@"\bword", ConstraintProblem.Unsupported, "\\b")]
    [DataRow(@"(?i)a", ConstraintProblem.Unsupported, "inline options")]
    [DataRow(@"(?:a$)*", ConstraintProblem.Unsupported, "an anchor in a repeated group")]
    [DataRow("😀+", ConstraintProblem.Unsupported, "a quantifier behind a character of two UTF-16 units")]
    [DataRow("a$b", ConstraintProblem.Contradictory, null)]
    public void An_expression_that_can_not_be_used_is_refused(string pattern, ConstraintProblem problem, string? keyword)
    {
        var error = Assert.ThrowsExactly<ConstraintException>(() => TextConstraint.Regex(pattern).Compile(GrammarText.Bytes()));
        Assert.AreEqual(problem, error.Problem, error.Message);
        Assert.AreEqual(keyword, error.Keyword);
    }

    [TestMethod]
    public void A_choice_of_half_a_surrogate_pair_is_refused()
    {
        foreach (string text in (string[])["\ud800", "a\udc00", "\ud83d\ud83d\ude00"])
            StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => TextConstraint.Choice("a", text)).Message, "Text 1 holds half of a surrogate pair");
        Assert.IsNotNull(TextConstraint.Choice("a", "😀").Compile(GrammarText.Bytes()));
    }

    [TestMethod]
    [DynamicData(nameof(Grammars))]
    [TestCategory("Long")]
    public void What_an_untrained_model_writes_is_a_sentence_of_the_grammar(int index, string grammar)
    {
        // The same languages written as regular expressions with balancing groups, or checked by hand.
        Func<string, bool> judge = index switch
        {
            0 => static text => Regex.IsMatch(text, @"\A(?:[^=]+=[^=]+\n){1,2}\z") && text.Count(static c => c == '(') == text.Count(static c => c == ')'),
            1 => static text => Regex.IsMatch(text, @"\A(?:(?:(?:[a-h]x)?[a-h][1-8](?:=[NBKQR])?|[NBKQR][a-h]?[1-8]?x?[a-h][1-8]|O-O(?:-O)?)[+#]?[ \n]){2}\z"),
            2 => static text => text.Split('\n')[..^1].All(static line => line.StartsWith("- ", StringComparison.Ordinal) && line.EnumerateRunes().Count() is >= 3 and <= 14) && text.EndsWith('\n'),
            3 => static text => text.Length >= 2 && text == new string('a', text.Length / 2) + new string('b', text.Length / 2),
            _ => static text => Regex.IsMatch(text, @"\A(?:[猫犬私] (?:見る|食べる)(?: [猫犬私])?。|(?:こんにちは|Grüß Gott|👋🏽)！)\z"),
        };
        foreach (string text in ConstrainedTexts.Write(TextConstraint.Grammar(grammar), count: 12, seed: index)) Assert.IsTrue(judge(text), text);
    }

    [TestMethod]
    [DataRow("root ::= \"a\" root | \"b\"", "b|ab|aaab", "a|ba")]
    [DataRow("root ::= (\"a\" | \"b\" \"c\")+ \"d\"?\n", "a|bc|abcd", "b|d|add")]
    [DataRow("root ::= [^\"\\\\\\n]{2} \"\\x41\\u00e9\\U0001F600\"", "xyAé😀|漢字Aé😀", "xAé😀")]
    [DataRow("# comment\nroot ::= item # another\n  | item \",\" root\nitem ::= [0-9]\n", "1|1,2,3", "1,|,")]
    [DataRow("root ::= pair pair\npair ::= \"a\"? \"b\"?", "|ab|abab|ba|bb|aab", "aaa|bbb|abba")]
    [DataRow("root ::= .", "a|é|\n", "|ab")]
    public void A_grammar_allows_these_texts_and_not_those(string grammar, string allowed, string refused)
    {
        Func<string, bool> allows = ConstrainedTexts.Allowed(TextConstraint.Grammar(grammar));
        foreach (string text in allowed.Split('|')) Assert.IsTrue(allows(text), text);
        foreach (string text in refused.Split('|')) Assert.IsFalse(allows(text), text);
    }

    [TestMethod]
    [DataRow("root ::= root \"a\" | \"b\"", ConstraintProblem.LeftRecursion)]
    [DataRow("root ::= a\na ::= \"x\"? b\nb ::= a \"y\" | \"z\"", ConstraintProblem.LeftRecursion)]
    [DataRow("root ::= \"a\" root", ConstraintProblem.EndlessRecursion)]
    [DataRow("root ::= a", ConstraintProblem.UndefinedReference)]
    [DataRow("start ::= \"a\"", ConstraintProblem.UndefinedReference)]
    [DataRow("root ::= \"a", ConstraintProblem.Syntax)]
    [DataRow("root = \"a\"", ConstraintProblem.Syntax)]
    [DataRow("root ::= (\"a\"", ConstraintProblem.Syntax)]
    [DataRow("root ::= \"a\"\nroot ::= \"b\"", ConstraintProblem.Syntax)]
    [DataRow("root ::= <think>", ConstraintProblem.Unsupported)]
    public void A_grammar_that_can_not_be_used_is_refused(string grammar, ConstraintProblem problem)
    {
        var error = Assert.ThrowsExactly<ConstraintException>(() => TextConstraint.Grammar(grammar).Compile(GrammarText.Bytes()));
        Assert.AreEqual(problem, error.Problem, error.Message);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void A_choice_is_one_of_the_texts_and_every_one_of_them_can_come()
    {
        string[] texts = ["yes", "yes, please", "no", "日本語", "👩‍👩‍👧", ""];
        IReadOnlyList<string> written = ConstrainedTexts.Write(TextConstraint.Choice(texts), 200);
        CollectionAssert.AreEquivalent(texts, written.Distinct().ToArray());
    }

    [TestMethod]
    public void Constraints_are_equal_where_their_texts_are_and_compiled_once_for_a_tokenizer()
    {
        Assert.AreEqual(TextConstraint.Choice("a", "b"), TextConstraint.Choice("a", "b"));
        GptTokenizer tokenizer = GrammarText.Bytes();
        Assert.AreSame(TextConstraint.Regex("[ab]").Compile(tokenizer), TextConstraint.Regex("[ab]").Compile(tokenizer));
        Assert.AreNotEqual(TextConstraint.Regex("[ab]"), TextConstraint.Grammar("[ab]"));
    }

    [TestMethod]
    [TestCategory("Long")]
    public void The_mask_has_every_token_that_can_go_on_and_no_other()
    {
        // Worked out without the automaton: a token may come where a prefix of it and what is written can be completed, which for these languages .NET's Regex tells of prefixes.
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        float[] logits = new float[gpt2.VocabularySize];
        foreach ((string written, string prefixes, TextConstraint constraint) in new[]
        {
            ("", @"\A\d{0,3}(?:(?<=\d),\d{0,2})?\z", TextConstraint.Regex(@"\d{1,3},\d{1,2}")),
            ("12", @"\A\d{0,3}(?:(?<=\d),\d{0,2})?\z", TextConstraint.Regex(@"\d{1,3},\d{1,2}")),
            ("12,3", @"\A\d{0,3}(?:(?<=\d),\d{0,2})?\z", TextConstraint.Regex(@"\d{1,3},\d{1,2}")),
            ("[\"", "\\A(?:\\[(?:\"(?:[a-z]*(?:\"(?:,\"[a-z]*\")*(?:\\]|,(?:\"[a-z]*)?)?)?)?)?)?\\z", TextConstraint.JsonSchema("""{"type":"array","minItems":1,"items":{"type":"string","pattern":"^[a-z]*$"}}""")),
        })
        {
            ITokenMask mask = constraint.Compile(gpt2).Begin([], [gpt2.EndOfTextId]);
            Array.Clear(logits);
            mask.Apply(gpt2.Encode(written), logits);
            for (int id = 0; id < gpt2.VocabularySize; id++)
            {
                if (id == gpt2.EndOfTextId) continue;
                bool expected = Regex.IsMatch(written + System.Text.Encoding.Latin1.GetString(gpt2.GetTokenBytes(id).Span), prefixes, RegexOptions.CultureInvariant);
                Assert.AreEqual(expected, logits[id] == 0, $"'{written}' then '{gpt2.Decode([id])}'");
            }
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void The_end_is_allowed_exactly_where_the_text_is_whole_and_other_stop_tokens_only_there_too()
    {
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        int comma = gpt2.Encode(",")[0];
        ITokenMask mask = TextConstraint.Regex("a,+").Compile(gpt2).Begin([], [gpt2.EndOfTextId, comma]);
        float[] logits = new float[gpt2.VocabularySize];
        mask.Apply(gpt2.Encode("a"), logits);
        Assert.AreEqual(float.NegativeInfinity, logits[gpt2.EndOfTextId]);
        Assert.AreEqual(float.NegativeInfinity, logits[comma], "A stop token would end the text here.");
        Array.Clear(logits);
        mask.Apply([.. gpt2.Encode("a"), gpt2.Encode(",,")[0]], logits);
        Assert.AreEqual(0, logits[gpt2.EndOfTextId]);
        Assert.AreEqual(0, logits[comma]);
    }

    [TestMethod]
    public void A_vocabulary_of_characters_is_held_to_what_it_can_write()
    {
        GptTokenizer letters = GptTokenizer.FromCharacters(["abc é漢{}\":"]);
        IReadOnlyList<(string Text, FinishReason Reason)> texts = ConstrainedTexts.Generate(TextConstraint.Regex(".{3}"), 20, tokenizer: letters);
        Assert.IsTrue(texts.All(static text => text.Reason == FinishReason.StopToken && text.Text.Length == 3));
        Assert.IsTrue(texts.Any(static text => text.Text.Contains('é', StringComparison.Ordinal)) && texts.Any(static text => text.Text.Contains('漢', StringComparison.Ordinal)));

        var error = Assert.ThrowsExactly<ConstraintException>(() => TextConstraint.Choice("abx").Compile(letters));
        Assert.AreEqual(ConstraintProblem.MissingCharacters, error.Problem);
        StringAssert.Contains(error.Message, "'x' (U+0078)");

        // The other choice can be written.
        Assert.AreEqual("ab", ConstrainedTexts.Generate(TextConstraint.Choice("abx", "ab"), 1, tokenizer: letters)[0].Text);
    }

    [TestMethod]
    public void Characters_without_which_nothing_satisfies_a_constraint_are_named_whatever_its_kind()
    {
        GptTokenizer letters = GptTokenizer.FromCharacters(["abc{}\":"]);
        foreach ((TextConstraint constraint, string missing) in ((TextConstraint, string)[])
        [
            (TextConstraint.Regex("a(?:x|y)+"), "'x' (U+0078)"), (TextConstraint.JsonSchema("""{"type":"array","maxItems":0}"""), "'[' (U+005B)"),
            (TextConstraint.Grammar("root ::= \"a\" rest\nrest ::= \"b\" rest | \"z\""), "'z' (U+007A)"),
        ])
        {
            var error = Assert.ThrowsExactly<ConstraintException>(() => constraint.Compile(letters));
            Assert.AreEqual(ConstraintProblem.MissingCharacters, error.Problem, error.Message);
            StringAssert.Contains(error.Message, missing);
        }

        // An optional part that can't be written is left out.
        Assert.IsTrue(ConstrainedTexts.Generate(TextConstraint.Regex("ab[x0-9]?"), 5, tokenizer: letters).All(static text => text is { Text: "ab", Reason: FinishReason.StopToken }));
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Several_threads_may_use_one_constraint()
    {
        TextConstraint constraint = TextConstraint.JsonSchema("""{"type":"array","items":{"type":"string","pattern":"^[a-z]{1,5}$"},"minItems":3,"maxItems":3}""");
        string[][] texts = new string[8][];
        Parallel.For(0, texts.Length, i => texts[i] = [.. ConstrainedTexts.Write(constraint, 10, seed: i % 2)]);
        for (int i = 2; i < texts.Length; i++) CollectionAssert.AreEqual(texts[i % 2], texts[i]);
    }

    [TestMethod]
    public void A_choice_allows_its_texts_and_no_others()
    {
        TextConstraint choice = TextConstraint.Choice("yes", "yes, please", "日本", "\"", "");
        Func<string, bool> allows = ConstrainedTexts.Allowed(choice);
        foreach (string text in (string[])["yes", "yes, please", "日本", "\"", ""]) Assert.IsTrue(allows(text), text);
        foreach (string text in (string[])["ye", "yes,", "no", "日", "yes, pleases"]) Assert.IsFalse(allows(text), text);
        Assert.AreEqual((TextConstraintKind.Choice, """["a","b"]"""), (TextConstraint.Choice("a", "b").Kind, TextConstraint.Choice("a", "b").Source));
        Assert.IsTrue(ConstrainedTexts.Allows(TextConstraint.Choice("only"), "only"));
    }

    [TestMethod]
    public void A_constraint_is_made_of_something()
    {
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(static () => TextConstraint.Choice()).Message, "There is no text to choose; give one or more.");
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(static () => TextConstraint.Choice("a", null!)).Message, "Text 1 is null; give it a text, or leave it out.");
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(static () => TextConstraint.Choice(null!, "a")).Message, "Text 0 is null; give it a text, or leave it out.");
        foreach (Action make in (Action[])
        [
            static () => TextConstraint.Choice((IReadOnlyList<string>)null!), static () => TextConstraint.Regex(null!), static () => TextConstraint.JsonSchema(null!), static () => TextConstraint.Json(null!),
            static () => TextConstraint.Grammar(null!), static () => TextConstraint.Grammar("root ::= \"a\"", null!),
        ]) Assert.ThrowsExactly<ArgumentNullException>(make);
        Assert.ThrowsExactly<ArgumentException>(static () => TextConstraint.Grammar("root ::= \"a\"", ""));
        Assert.AreEqual("tokenizer", Assert.ThrowsExactly<ArgumentNullException>(static () => TextConstraint.Regex("a").Compile(null!)).ParamName);
    }

    [TestMethod]
    public void Each_kind_keeps_what_it_was_made_of()
    {
        Assert.AreEqual(new TextConstraint { Kind = TextConstraintKind.Regex, Source = "a+" }, TextConstraint.Regex("a+"));
        Assert.AreEqual(new TextConstraint { Kind = TextConstraintKind.JsonSchema, Source = "{}" }, TextConstraint.JsonSchema("{}"));
        Assert.AreEqual(new TextConstraint { Kind = TextConstraintKind.JsonSchema, Source = "{}", Whitespace = JsonWhitespace.Optional }, TextConstraint.JsonSchema("{}", JsonWhitespace.Optional));
        Assert.AreEqual(new TextConstraint { Kind = TextConstraintKind.JsonSchema, Source = """{"type":"object"}""", Whitespace = JsonWhitespace.Optional }, TextConstraint.JsonObject(JsonWhitespace.Optional));
        Assert.AreEqual(TextConstraint.JsonSchema("""{"type":"boolean"}""", JsonWhitespace.Optional), TextConstraint.Json<bool>(whitespace: JsonWhitespace.Optional));
        Assert.AreEqual(TextConstraint.JsonSchema("""{"type":"boolean"}"""), TextConstraint.Json(typeof(bool)));
        Assert.AreEqual(new TextConstraint { Kind = TextConstraintKind.Grammar, Source = "x", StartRule = "root" }, TextConstraint.Grammar("x"));
        Assert.AreEqual("root", new TextConstraint { Kind = TextConstraintKind.Regex, Source = "x" }.StartRule);
        Assert.AreEqual(new TextConstraint { Kind = TextConstraintKind.Grammar, Source = "x", StartRule = "y" }, TextConstraint.Grammar("x", "y"));
        StringAssert.Contains(TextConstraint.Json<System.Drawing.Point>(new(System.Text.Json.JsonSerializerDefaults.Web)).Source, "\"x\"");
        Assert.IsTrue(ConstrainedTexts.Allows(TextConstraint.Grammar("x ::= \"a\"\ny ::= x x", "y"), "aa"));
        Assert.IsTrue(ConstrainedTexts.Allows(TextConstraint.JsonObject(), """{"a":[1]}"""));
        Assert.IsFalse(ConstrainedTexts.Allows(TextConstraint.JsonObject(), "[1]"));
    }

    [TestMethod]
    [DataRow("[]", "There is no text to choose, or one is null; give one or more texts.")]
    [DataRow("""["a",null]""", "There is no text to choose, or one is null; give one or more texts.")]
    [DataRow("a", "The source is not a JSON array of strings; make the constraint with TextConstraint.Choice.")]
    [DataRow("[1]", "The source is not a JSON array of strings; make the constraint with TextConstraint.Choice.")]
    public void A_choice_that_was_saved_is_read_with_care(string source, string message) => GrammarText.Refuses(
        () => new TextConstraint { Kind = TextConstraintKind.Choice, Source = source }.Compile(GrammarText.Bytes()), ConstraintProblem.Syntax, "the texts", message);

    [TestMethod]
    public void A_kind_that_there_is_not_is_refused()
    {
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new TextConstraint { Kind = (TextConstraintKind)9, Source = "a" }.Compile(GrammarText.Bytes()));
        StringAssert.StartsWith(error.Message, "9 is none of TextConstraintKind's values.");
        Assert.AreEqual("Kind", error.ParamName);
    }

    [TestMethod]
    public void A_tokenizer_keeps_64_constraints()
    {
        GptTokenizer tokenizer = GrammarText.Bytes();
        ITokenConstraint first = TextConstraint.Regex("a").Compile(tokenizer);
        for (int i = 1; i < 64; i++) TextConstraint.Regex($"a{{{i}}}b").Compile(tokenizer);
        Assert.AreSame(first, TextConstraint.Regex("a").Compile(tokenizer));
        Assert.AreNotSame(first, TextConstraint.Regex("a").Compile(GrammarText.Bytes()));

        // One more, and the others are forgotten.
        ITokenConstraint next = TextConstraint.Regex("c").Compile(tokenizer);
        Assert.AreNotSame(first, TextConstraint.Regex("a").Compile(tokenizer));
        Assert.AreSame(next, TextConstraint.Regex("c").Compile(tokenizer));
    }
}
