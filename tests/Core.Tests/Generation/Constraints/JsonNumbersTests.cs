using System.Globalization;
using System.Text.RegularExpressions;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class JsonNumbersTests
{
    // Signs, digits before the point and behind it, well formed and not: the text, its digits behind the point, and its value; null where it is no number of JSON's, or a zero with a sign.
    private static readonly (string Text, int Digits, decimal? Value)[] s_numbers =
    [
        .. from sign in (string[])["", "-"]
           from integer in "0,1,2,3,7,8,9,10,11,12,18,19,20,21,99,100,101,105,106,1000,00,01,".Split(',')
           from fraction in ",.,.0,.1,.4,.5,.6,.9,.00,.01,.05,.09,.10,.24,.25,.26,.49,.50,.51,.99,.250,.251,.499,.501,.999".Split(',')
           select Of(sign + integer + fraction, Math.Max(0, fraction.Length - 1)),
    ];

    [TestMethod]
    [DataRow("-3", "12")]
    [DataRow("0", "9")]
    [DataRow("7", "105")]
    [DataRow("8", "19")]
    [DataRow("10", "99")]
    [DataRow("11", "11")]
    [DataRow("0", "0")]
    [DataRow("-105", "-7")]
    [DataRow("-1", "0")]
    [DataRow("0.25", "1")]
    [DataRow("0.25", "0.25")]
    [DataRow("-0.5", "0.5")]
    [DataRow("1.5", "20.01")]
    [DataRow("-1.49", "-0.05")]
    [DataRow("9.99", "10.01")]
    [DataRow("18.05", "18.1")]
    [DataRow("2.50", "3.00")]
    [DataRow("0.251", "0.499")]
    [DataRow("99", "101.5")]
    [DataRow("-20.1", "-19.9")]
    [DataRow(null, "-7.5")]
    [DataRow(null, "0")]
    [DataRow("0", null)]
    [DataRow("19.25", null)]
    [DataRow(null, null)]
    public void Numbers_between_bounds_are_written_and_no_others(string? lower, string? upper)
    {
        decimal? low = Parse(lower), high = Parse(upper);
        foreach ((bool lowExclusive, bool highExclusive) in ((bool, bool)[])[(false, false), (true, false), (false, true)])
        {
            foreach (int? digits in (int?[])[0, 2, null])
            {
                bool[] expected = [.. s_numbers.Select(number => number.Digits <= (digits ?? 15) && number.Value is { } value
                    && (low is null || value > low || (value == low && !lowExclusive)) && (high is null || value < high || (value == high && !highExclusive)))];
                if (!expected.Contains(true)) continue;
                GrammarText numbers = Between(low, lowExclusive, high, highExclusive, digits);
                for (int i = 0; i < expected.Length; i++)
                {
                    if (numbers.Accepts(s_numbers[i].Text) != expected[i]) Assert.Fail($"{s_numbers[i].Text} with {digits} digits, exclusive {lowExclusive} {highExclusive}: {!expected[i]}");
                }
            }
        }

        static decimal? Parse(string? text) => text is null ? null : decimal.Parse(text, CultureInfo.InvariantCulture);
    }

    [TestMethod]
    public void Where_there_is_no_bound_numbers_have_15_digits_on_either_side()
    {
        GrammarText numbers = Between(null, false, null, false, null);
        string nines = new('9', 15);
        foreach (string text in (string[])[nines, "-" + nines, nines + "." + new string('0', 15), "0." + new string('9', 15), "-1" + new string('0', 14)]) Assert.IsTrue(numbers.Accepts(text), text);
        foreach (string text in (string[])["1" + new string('0', 15), "-1" + new string('0', 15), nines + ".1", "0." + new string('9', 16)]) Assert.IsFalse(numbers.Accepts(text), text);

        // As many behind the point where the bound has fewer, and not more than the bound has.
        numbers = Between(0.5m, false, 2, false, null);
        Assert.IsTrue(numbers.Accepts("0.5" + new string('0', 14)) && numbers.Accepts("1." + new string('7', 15)) && numbers.Accepts("2." + new string('0', 15)));
        Assert.IsFalse(numbers.Accepts("0.5" + new string('0', 15)) || numbers.Accepts("1." + new string('7', 16)) || numbers.Accepts("2." + new string('0', 16)));
    }

    [TestMethod]
    public void A_bound_beyond_15_digits_leaves_room_for_as_many_and_one_more()
    {
        // The other bound is ten times as far.
        Check(Between(1_000_000_000_000_000, false, null, false, 0), ["1000000000000000", "9999999999999999", "10000000000000000"], ["999999999999999", "10000000000000001"]);
        Check(Between(null, false, -1_000_000_000_000_000, true, 0), ["-1000000000000001", "-10000000000000000"], ["-1000000000000000", "-10000000000000001", "-1"]);
        Check(Between(-5, false, null, false, 0), ["-5", "0", "999999999999999"], ["-6", "1000000000000000"]);
        Check(Between(null, false, 5, false, 0), ["5", "0", "-999999999999999"], ["6", "-1000000000000000"]);

        // A low bound whose tenfold is within 15 digits.
        Check(Between(5, false, null, false, 0), ["5", "51", "999999999999999"], ["4", "1000000000000000"]);
        Check(Between(null, false, -5, false, 0), ["-5", "-51", "-999999999999999"], ["-4", "-1000000000000000"]);

        // Ten times as far is the end of what decimal holds, or beyond it.
        decimal tenth = decimal.MaxValue / 10;
        Check(Between(tenth, false, null, false, 0), ["7922816251426433759354395034", "50000000000000000000000000000", "79228162514264337593543950335"], ["7922816251426433759354395033", "79228162514264337593543950336"]);
        Check(Between(70_000_000_000_000_000_000_000_000_000m, false, null, false, 0), ["70000000000000000000000000000"], ["70000000000000000000000000001", "69999999999999999999999999999"]);
        Check(Between(decimal.MinValue, false, decimal.MaxValue, false, 0), ["79228162514264337593543950335", "-79228162514264337593543950335", "0"], ["79228162514264337593543950336", "-79228162514264337593543950336"]);

        static void Check(GrammarText numbers, string[] accepted, string[] refused)
        {
            foreach (string text in accepted) Assert.IsTrue(numbers.Accepts(text), text);
            foreach (string text in refused) Assert.IsFalse(numbers.Accepts(text), text);
        }
    }

    [TestMethod]
    public void Without_a_number_between_them_there_is_nothing()
    {
        foreach ((decimal low, bool lowExclusive, decimal high, bool highExclusive) in ((decimal, bool, decimal, bool)[])[(5, false, 4, false), (-4, false, -5, false), (5, true, 5, false), (5, false, 5, true), (0, true, 0, false), (-1, true, -1, false)])
        {
            var error = Assert.ThrowsExactly<ConstraintException>(() => Between(low, lowExclusive, high, highExclusive, 0));
            Assert.AreEqual(ConstraintProblem.Contradictory, error.Problem);
        }
    }

    private static (string Text, int Digits, decimal? Value) Of(string text, int digits)
    {
        if (!Regex.IsMatch(text, @"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\z")) return (text, digits, null);
        decimal value = decimal.Parse(text, CultureInfo.InvariantCulture);
        return (text, digits, (text[0] == '-') == (value < 0) ? value : null);
    }

    private static GrammarText Between(decimal? low, bool lowExclusive, decimal? high, bool highExclusive, int? digits)
    {
        var grammar = new Grammar();
        grammar.Root = grammar.Declare("number");
        grammar.Define(grammar.Root, new JsonNumbers(grammar).Between(low, lowExclusive, high, highExclusive, digits));
        return new GrammarText(grammar);
    }
}
