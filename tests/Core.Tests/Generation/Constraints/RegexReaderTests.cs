using System.Globalization;
using System.Text.RegularExpressions;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class RegexReaderTests
{
    // Over a, b and c .NET and ECMAScript agree, so .NET's Regex is the judge of every text of up to four letters.
    [TestMethod]
    [DataRow("")]
    [DataRow("abc")]
    [DataRow("a|b|")]
    [DataRow("|ab")]
    [DataRow("a(?:b|c)a")]
    [DataRow("(a)(b)")]
    [DataRow("(?<first>a)b")]
    [DataRow("(?<_9>a|b){2}")]
    [DataRow("a*b+c?")]
    [DataRow("a*?b+?c??")]
    [DataRow("a{2}")]
    [DataRow("a{2}?b")]
    [DataRow("a{1,}b")]
    [DataRow("a{1,2}b{0,1}")]
    [DataRow("a{0}b")]
    [DataRow("(?:ab?){2}")]
    [DataRow("[ab]c")]
    [DataRow("[^a]b")]
    [DataRow("[^ab]*")]
    [DataRow("[a-b][b-c]")]
    [DataRow("[^b-c]+")]
    [DataRow("[-a]b")]
    [DataRow("[a-a]b")]
    [DataRow("[a-]b")]
    [DataRow("[\\x61-\\x62]{2}")]
    [DataRow("\\x61\\u0062")]
    [DataRow("\\Aab\\z")]
    [DataRow("\\Aa\\Z|b\\Z")]
    [DataRow("^a")]
    [DataRow("a$")]
    [DataRow("^ab$")]
    [DataRow("^$")]
    [DataRow("^")]
    [DataRow("$")]
    [DataRow("^^a$$")]
    [DataRow("^a|b$")]
    [DataRow("(^a|b)c")]
    [DataRow("(?:^|a)b")]
    [DataRow("a(?:b$|c)")]
    [DataRow("a(?:b$|c)?")]
    [DataRow("a(?:b|$)")]
    [DataRow("(?:a|^)(?:b|$)")]
    [DataRow("(?:^|b)?a")]
    [DataRow("(?:^a)?b")]
    [DataRow("a?^b")]
    [DataRow("a*^b*")]
    [DataRow("(?:a?|b)^c")]
    [DataRow("a$b?")]
    [DataRow("a$b*$")]
    [DataRow("a$(?:b|c?)")]
    [DataRow("a?$b?$c?")]
    [DataRow("(?:a$|b)(?:^c|a?)")]
    [DataRow("(?:^a){1}b")]
    [DataRow("(?:^|a)(?:^|b)c")]
    [DataRow("(?:a|b$)(?:c|$)")]
    [DataRow("(?:(?:^a|b)|c$)a?")]
    [DataRow("^(?:a|bc)+$")]
    public void A_text_is_accepted_where_DotNet_finds_a_match_of_the_whole_or_in_it(string pattern)
    {
        Regex whole = new($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant), search = new(pattern, RegexOptions.CultureInvariant);
        string[] texts = [.. GrammarText.All("abc", 4)];
        foreach ((Regex judge, Func<Expression> read) in ((Regex, Func<Expression>)[])[(whole, () => RegexReader.ReadWhole(pattern)), (search, () => RegexReader.ReadSearch(pattern))])
        {
            string[] expected = [.. texts.Where(one => judge.IsMatch(one))];
            if (expected.Length == 0) continue; // no text of up to four letters
            var text = new GrammarText(Grammar.Of(read()));
            CollectionAssert.AreEqual(expected, texts.Where(text.Accepts).ToArray());
        }
    }

    [TestMethod]
    [DataRow("a$b")]
    [DataRow("a^b")]
    [DataRow("a^")]
    [DataRow("$a")]
    [DataRow("^a$b")]
    [DataRow("(?:a|b)(?:^c)")]
    public void Anchors_that_no_text_can_satisfy_leave_nothing(string pattern) => GrammarText.Refuses(
        () => new GrammarText(Grammar.Of(RegexReader.ReadWhole(pattern))), ConstraintProblem.Contradictory, "text", "Nothing satisfies it: whatever is begun can't be finished.");

    // What a class holds for certain: what both languages count to it.
    [TestMethod]
    [DataRow("\\d", "0 5 9", "/ : a ٣ ½ 😀")]
    [DataRow("\\D", "/ : a ä \n 漢", "0 9 ٣ 😀")]
    [DataRow("\\w", "a z A Z 0 9 _", "@ [ ` { / : - ä é 漢 ٣ \u200C \u203F 😀")]
    [DataRow("\\W", "@ [ ` { / : - \n €", "a Z 5 _ ä 漢 ٣ \u0301 Ⅷ ² \u203F \u200C \u200D 😀")]
    [DataRow("\\s", "\t \n \r \f \v", "a \u00A0 \u0085 \u2028 \uFEFF \u3000 \u180E")]
    [DataRow("\\S", "a ä 漢 -", "\t \n \r \f \v \u00A0 \u0085 \u1680 \u2028 \u2029 \u3000 \uFEFF \u180E 😀")]
    [DataRow(".", "a ä 漢 \0 \t \u0085 \uFFFF", "\n \r \u2028 \u2029 😀 \U00010000")]
    [DataRow("[^a]", "b ä \n 漢", "a 😀")]
    [DataRow("[^\\d]", "a ä \n", "0 9 ٣ 😀")]
    [DataRow("[^\\D]", "0 9", "a ٣ 😀")]
    [DataRow("[\\d\\s]", "0 9 \t", "a ٣ \u00A0")]
    [DataRow("[^\\w\\s]", "- @", "a ä \t \u00A0 😀")]
    [DataRow("[\\da-c]", "5 a c", "d ٣")]
    [DataRow("[a-c\\d]", "5 a c", "d ٣")]
    [DataRow("[\\d-z]", "5 - z", "a y ٣")]
    [DataRow("[a-c-e]", "a b c - e", "d")]
    [DataRow("[\\b]", "\b", "b")]
    [DataRow("[\\-\\]\\\\^]", "- ] \\ ^", "a")]
    [DataRow("[.*+?|(){}$]", ". * + ? | ( ) { } $", "a \\")]
    [DataRow("\\p{Lu}", "A Ä Δ", "a ä 1 𝐀")]
    [DataRow("\\P{Lu}", "a ä 1 漢", "A Ä 𝐀")]
    [DataRow("[^\\p{L}]", "1 -", "a ä 漢 𝐀")]
    [DataRow("[\\p{Lu}\\d]", "A 5", "a -")]
    [DataRow("\\t", "\t", "t")]
    [DataRow("\\n", "\n", "n")]
    [DataRow("\\r", "\r", "r")]
    [DataRow("\\f", "\f", "f")]
    [DataRow("\\v", "\v", "v")]
    [DataRow("\\0", "\0", "0")]
    [DataRow("[\\0]", "\0", "0")]
    [DataRow("\\0|\\0a", "\0 \0a", "0")]
    [DataRow("\\x7e", "~", "x")]
    [DataRow("\\xE9", "é", "e")]
    [DataRow("\\u00e9", "é", "u")]
    [DataRow("\\ud7ff\\ue000", "\uD7FF\uE000", "a")]
    [DataRow("\\.\\*\\+\\?\\|\\(\\)\\[\\]\\{\\}\\^\\$\\\\\\/\\-\\@\\é", ".*+?|()[]{}^$\\/-@é", "a")]
    [DataRow("]}-,é漢😀", "]}-,é漢😀", "a")]
    [DataRow("(?:😀)+|😀|a😀b", "😀 😀😀 a😀b", "a 😎")]
    public void Classes_and_escapes_hold_these_and_not_those(string pattern, string held, string others) =>
        GrammarText.Check(Grammar.Of(RegexReader.ReadWhole(pattern)), held.Split(' '), others.Split(' '));

    [TestMethod]
    public void The_space_is_white_and_no_letter()
    {
        GrammarText.Check(Grammar.Of(RegexReader.ReadWhole("\\s")), [" "], []);
        GrammarText.Check(Grammar.Of(RegexReader.ReadWhole("\\S")), [], [" "]);
    }

    [TestMethod]
    public void General_categories_are_those_of_DotNet()
    {
        // Of each category the first two characters.
        string[] samples = [.. Enumerable.Range(0, 0x10000).Where(static c => c is < 0xD800 or > 0xDFFF).GroupBy(static c => CharUnicodeInfo.GetUnicodeCategory((char)c)).SelectMany(static group => group.Take(2)).Select(static c => ((char)c).ToString())];
        foreach (string name in "L,M,N,Z,P,S,Lu,Ll,Lt,Lm,Lo,Mn,Mc,Me,Nd,Nl,No,Zs,Zl,Zp,Cc,Cf,Co,Cn,Pc,Pd,Ps,Pe,Pi,Pf,Po,Sm,Sc,Sk,So".Split(','))
        {
            CodePointSet set = ((Expression.Characters)RegexReader.ReadWhole($"\\p{{{name}}}")).Set;
            foreach (string sample in samples) Assert.AreEqual(Regex.IsMatch(sample, $"\\p{{{name}}}"), set.Contains(sample[0]), $"U+{(int)sample[0]:X4} and {name}");
            Assert.IsFalse(set.Contains(0x1F600), name);
        }
    }

    [TestMethod]
    [DataRow("a**", 2, "A quantifier stands behind a quantifier; put the first into a group.")]
    [DataRow("a+*", 2, "A quantifier stands behind a quantifier; put the first into a group.")]
    [DataRow("a?+", 2, "A quantifier stands behind a quantifier; put the first into a group.")]
    [DataRow("a*??", 3, "A quantifier stands behind a quantifier; put the first into a group.")]
    [DataRow("a{1}{2}", 4, "A quantifier stands behind a quantifier; put the first into a group.")]
    [DataRow("*a", 1, "The quantifier '*' has nothing before it; write \\* for the character.")]
    [DataRow("a|+", 3, "The quantifier '+' has nothing before it; write \\+ for the character.")]
    [DataRow("(?)", 2, null, "inline options", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(??)", 2, null, "inline options", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("?a", 1, "The quantifier '?' has nothing before it; write \\? for the character.")]
    [DataRow("{2}", 1, "The quantifier '{' has nothing before it; write \\{ for the character.")]
    [DataRow("^*", 1, "A quantifier stands behind an anchor, which can't be repeated.")]
    [DataRow("a$+", 2, "A quantifier stands behind an anchor, which can't be repeated.")]
    [DataRow("a)", 1, "A closing parenthesis has no opening one; write \\) for the character.")]
    [DataRow("(a", 2, "A parenthesis is not closed; write \\( for the character.")]
    [DataRow("(a|(b)", 6, "A parenthesis is not closed; write \\( for the character.")]
    [DataRow("(?<n", 2, "The name of a group has no '>'.")]
    [DataRow("a{x}", 2, "'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.")]
    [DataRow("a{2", 2, "'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.")]
    [DataRow("a{}", 2, "'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.")]
    [DataRow("a{,2}", 2, "'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.")]
    [DataRow("a{1,2,3}", 2, "'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.")]
    [DataRow("a{-1}", 2, "'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.")]
    [DataRow("a{1,x}", 2, "'{1,x}' is no quantifier; write {2}, {2,} or {2,5}.")]
    [DataRow("a{3,2}", 2, "The quantifier {3,2} has a maximum below its minimum; exchange them.")]
    [DataRow("\\", 1, "It ends with a backslash; write \\\\ for the character.")]
    [DataRow("[\\", 2, "It ends with a backslash; write \\\\ for the character.")]
    [DataRow("[a", 2, "A set of characters is not closed; write \\[ for the character.")]
    [DataRow("[", 1, "A set of characters is not closed; write \\[ for the character.")]
    [DataRow("[^", 2, "A set of characters is not closed; write \\[ for the character.")]
    [DataRow("[a-", 3, "A set of characters is not closed; write \\[ for the character.")]
    [DataRow("[b-a]", 4, "The range 'b-a' ends before it begins; exchange the two.")]
    [DataRow("[a-\\d]", 5, "A range of characters ends with a class; write \\- for the character.")]
    [DataRow("\\x4", 2, "An escape needs 2 hexadecimal digits.")]
    [DataRow("\\xg0", 2, "An escape needs 2 hexadecimal digits.")]
    [DataRow("\\u00e", 2, "An escape needs 4 hexadecimal digits.")]
    [DataRow("\\pL", 2, "\\p has no category; write \\p{L} or another general category.")]
    [DataRow("\\pL}", 2, "\\p has no category; write \\p{L} or another general category.")]
    [DataRow("\\p{L", 2, "\\p has no category; write \\p{L} or another general category.")]
    [DataRow("\\p", 2, "\\p has no category; write \\p{L} or another general category.")]
    [DataRow("\\p}", 2, "\\p has no category; write \\p{L} or another general category.")]
    [DataRow("\\P{", 2, "\\p has no category; write \\p{L} or another general category.")]
    [DataRow("\\p{}", 2, null, "\\p{}", "Write a general category of one or two letters, such as L, Lu or Nd.")]
    [DataRow("\\p{C}", 2, null, "\\p{C}", "Write a general category of one or two letters, such as L, Lu or Nd.")]
    [DataRow("\\p{Cs}", 2, null, "\\p{Cs}", "Write a general category of one or two letters, such as L, Lu or Nd.")]
    [DataRow("\\p{Lx}", 2, null, "\\p{Lx}", "Write a general category of one or two letters, such as L, Lu or Nd.")]
    [DataRow("\\p{IsGreek}", 2, null, "\\p{IsGreek}", "Write a general category of one or two letters, such as L, Lu or Nd.")]
    [DataRow("(a)\\1", 4, null, "a back-reference", "Write the texts themselves; what was matched can't be asked for again.")]
    [DataRow("\\9", 1, null, "a back-reference", "Write the texts themselves; what was matched can't be asked for again.")]
    [DataRow("\\k<n>", 1, null, "a back-reference", "Write the texts themselves; what was matched can't be asked for again.")]
    [DataRow("\\b", 1, null, "\\b", "Write what may stand at the border of the word.")]
    [DataRow("a\\B", 2, null, "\\B", "Write what may stand at the border of the word.")]
    [DataRow("\\q", 2, null, "\\q", "Write the character itself, or \\uXXXX.")]
    [DataRow("\\Q", 2, null, "\\Q", "Write the character itself, or \\uXXXX.")]
    [DataRow("[\\1]", 3, null, "\\1", "Write the character itself, or \\uXXXX.")]
    [DataRow("\\01", 2, null, "\\0", "Write the character itself, or \\uXXXX.")]
    [DataRow("\\ud800", 6, null, "a surrogate", "Write the character itself.")]
    [DataRow("\\udfff", 6, null, "a surrogate", "Write the character itself.")]
    [DataRow("a(?!b)", 3, null, "lookahead", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?=b)", 2, null, "lookahead", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?<=a)b", 2, null, "lookbehind", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?<!a)b", 2, null, "lookbehind", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?<", 2, null, "lookbehind", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?>a)", 2, null, "atomic group", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?(a)b)", 2, null, "conditional group", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?i)a", 2, null, "inline options", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?", 2, null, "(?", "Write the texts themselves; a set of characters such as [^\"] does in most cases.")]
    [DataRow("(?<a-b>c)", 2, null, "a balancing group", "Leave it out.")]
    [DataRow("[]", 1, null, "an empty set of characters", "Write \\] for the character.")]
    [DataRow("[^]", 2, null, "an empty set of characters", "Write \\] for the character.")]
    [DataRow("[a-[b]]", 3, null, "the subtraction of a set", "Write the characters that remain.")]
    [DataRow("[a-z-[aeiou]]", 5, null, "the subtraction of a set", "Write the characters that remain.")]
    [DataRow("[\\w-[\\d_]]{3}", 4, null, "the subtraction of a set", "Write the characters that remain.")]
    [DataRow("[\\p{Ll}-[aeiou]]", 8, null, "the subtraction of a set", "Write the characters that remain.")]
    [DataRow("[^ab-[b]]", 5, null, "the subtraction of a set", "Write the characters that remain.")]
    [DataRow("[😀]", 2, null, "a character of two UTF-16 units in a set", "Write alternatives, such as (?:😀|😎).")]
    [DataRow("a😀+", 3, null, "a quantifier behind a character of two UTF-16 units", "Write (?:😀) with the quantifier behind it.")]
    public void An_expression_that_can_not_be_used_is_refused_at_its_place(string pattern, int at, string? message, string? unsupported = null, string? remedy = null) => GrammarText.Refuses(
        () => RegexReader.ReadWhole(pattern), unsupported is null ? ConstraintProblem.Syntax : ConstraintProblem.Unsupported, $"character {at} of the regular expression '{pattern}'",
        message ?? $"It uses {unsupported}, which is not supported. {remedy}", unsupported);

    // Where .NET reads a hyphen and a bracket as themselves, so does this.
    [TestMethod]
    [DataRow("[-[]")]
    [DataRow("[a\\-[]")]
    [DataRow("[a-z\\-\\[]")]
    public void A_hyphen_and_a_bracket_that_subtract_nothing_are_characters(string pattern)
    {
        var text = new GrammarText(Grammar.Of(RegexReader.ReadWhole(pattern)));
        for (char c = ' '; c < 127; c++) Assert.AreEqual(System.Text.RegularExpressions.Regex.IsMatch(c.ToString(), $"^(?:{pattern})$"), text.Accepts(c.ToString()), $"{pattern} {c}");
    }

    [TestMethod]
    public void Half_of_a_surrogate_pair_is_refused()
    {
        foreach ((string pattern, int at) in ((string, int)[])[("\uD83D", 1), ("a\uDE00", 2), ("\uD83Da", 1), ("\uD83D\uD83D\uDE00", 1)])
            GrammarText.Refuses(() => RegexReader.ReadWhole(pattern), ConstraintProblem.Syntax, $"character {at} of the regular expression '{pattern}'", "It holds half of a surrogate pair.");
    }

    [TestMethod]
    public void A_repetition_counts_to_100000()
    {
        foreach (string pattern in (string[])["a{100000}", "a{100000,}", "a{0,100000}"]) Assert.IsNotNull(RegexReader.ReadWhole(pattern));
        foreach (string pattern in (string[])["a{100001}", "a{100001,}", "a{0,100001}"])
            GrammarText.Refuses(() => RegexReader.ReadWhole(pattern), ConstraintProblem.TooLarge, $"character 2 of the regular expression '{pattern}'", "It asks for 100001 repetitions; the most are 100000.");
    }

    [TestMethod]
    [DataRow("(?:a$)*")]
    [DataRow("(?:^a|b)+")]
    [DataRow("(?:^a){2}")]
    [DataRow("(?:^a){0,2}")]
    [DataRow("(?:c(?:^a)?){1,}")]
    public void A_repeated_group_with_an_anchor_is_refused(string pattern) => GrammarText.Refuses(
        () => RegexReader.ReadWhole(pattern), ConstraintProblem.Unsupported, "the regular expression", "It repeats a group with an anchor in it, which is not supported. Move the anchor out of the group.", "an anchor in a repeated group");

    [TestMethod]
    public void A_pattern_has_at_most_100000_characters() => GrammarText.Refuses(
        static () => RegexReader.ReadWhole(new string('a', 100_001)), ConstraintProblem.TooLarge, "the regular expression", "It has 100001 characters; the most are 100000. Write sets of characters and repetitions instead of what they stand for.");

    [TestMethod]
    public void Groups_are_nested_to_a_depth()
    {
        Assert.IsTrue(new GrammarText(Grammar.Of(RegexReader.ReadWhole(Nested(256)))).Accepts("a"));
        GrammarText.Refuses(static () => RegexReader.ReadWhole(Nested(257)), ConstraintProblem.TooLarge, $"character 257 of the regular expression '{Nested(257)[..100]}…'", "Its groups are nested more than 256 deep; nest fewer.");
        Assert.AreEqual(ConstraintProblem.TooLarge, Assert.ThrowsExactly<ConstraintException>(static () => RegexReader.ReadWhole(Nested(100_000))).Problem);

        // Groups behind each other are none within each other.
        Assert.IsTrue(new GrammarText(Grammar.Of(RegexReader.ReadWhole(string.Concat(Enumerable.Repeat("(a)", 300))))).Accepts(new string('a', 300)));

        static string Nested(int depth) => new string('(', depth) + "a" + new string(')', depth);
    }

    [TestMethod]
    public void Expressions_with_anchors_may_be_longer_than_a_stack_is_deep()
    {
        string letters = new('a', 30_000);
        var text = new GrammarText(Grammar.Of(RegexReader.ReadWhole($"^{letters}$")));
        Assert.IsTrue(text.Accepts(letters));
        Assert.IsFalse(text.Accepts(letters[1..]));

        // Each group is the beginning or a letter: from none, where nothing has been written, to all.
        text = new GrammarText(Grammar.Of(RegexReader.ReadWhole(string.Concat(Enumerable.Repeat("(?:^|a)", 256)))));
        Assert.IsTrue(text.Accepts(""));
        Assert.IsTrue(text.Accepts("aaa"));
        Assert.IsTrue(text.Accepts(new string('a', 256)));
        Assert.IsFalse(text.Accepts(new string('a', 257)));
        Assert.IsFalse(text.Accepts("b"));
        Assert.AreEqual(ConstraintProblem.TooLarge, Assert.ThrowsExactly<ConstraintException>(static () => RegexReader.ReadWhole(new string('^', 257))).Problem);
    }

    // Each group can be come to in two ways, with and without a letter before it: 2^100 in all.
    [TestMethod]
    public void Groups_with_anchors_within_each_other_are_followed_once()
    {
        const int Depth = 100;
        var text = new GrammarText(Grammar.Of(RegexReader.ReadWhole(string.Concat(Enumerable.Repeat("(?:^b|a?", Depth)) + "c" + new string(')', Depth))));
        Assert.IsTrue(text.Accepts("c"));
        Assert.IsTrue(text.Accepts("b"));
        Assert.IsTrue(text.Accepts(new string('a', Depth) + "c"));
        Assert.IsFalse(text.Accepts(new string('a', Depth + 1) + "c"));
        Assert.IsFalse(text.Accepts("ab"));
    }
}
