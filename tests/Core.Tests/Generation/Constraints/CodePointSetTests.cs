using System.Globalization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class CodePointSetTests
{
    [TestMethod]
    public void Sets_are_joined_cut_and_turned_round_as_sets_of_numbers_are()
    {
        // Around the ends and the surrogates, where the ranges of a complement begin and end.
        int[] places = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xD7FE, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xE001, 0xFFFF, 0x10000, 0x10FFFD, 0x10FFFE, 0x10FFFF];
        var random = new Random(2);
        for (int trial = 0; trial < 300; trial++)
        {
            (CodePointSet set, HashSet<int> expected) = Draw();
            (CodePointSet other, HashSet<int> otherExpected) = Draw();
            Same(expected, set);
            Same([.. expected.Union(otherExpected)], set.Union(other));
            Same([.. expected.Intersect(otherExpected)], set.Intersect(other));
            Same([.. expected.Except(otherExpected)], set.Except(other));
            Same([.. places.Where(place => place is < 0xD800 or > 0xDFFF).Except(expected)], set.Complement());
            Assert.AreEqual(set.Key, set.Complement().Complement().Key);
        }

        (CodePointSet, HashSet<int>) Draw()
        {
            (int First, int Last)[] ranges = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => places[random.Next(places.Length)]).Select(first => (first, places.Where(last => last >= first && last - first < 12).MaxBy(_ => random.Next())))];
            return (CodePointSet.Union(ranges.Select(static range => CodePointSet.Range(range.First, range.Last))),
                [.. places.Where(place => place is < 0xD800 or > 0xDFFF).Where(place => ranges.Any(range => place >= range.First && place <= range.Last))]);
        }

        void Same(HashSet<int> expected, CodePointSet found)
        {
            foreach (int place in places) Assert.AreEqual(expected.Contains(place), found.Contains(place), $"U+{place:X4} in {found.Key}");
            int before = -2;
            foreach ((int first, int last) in found.Ranges)
            {
                Assert.IsTrue(first > before + 1 && first <= last, found.Key);
                before = last;
            }
        }
    }

    [TestMethod]
    public void Characters_and_categories_give_their_code_points()
    {
        Assert.AreEqual("97,99,128512,128512", CodePointSet.OfCharacters("cab😀a").Key);
        Assert.AreEqual(0x61, CodePointSet.OfCharacters("cab").First);
        CodePointSet digits = CodePointSet.OfCategories(static category => category == UnicodeCategory.DecimalDigitNumber);
        Assert.IsTrue(digits.Contains('0') && digits.Contains('9') && digits.Contains('٣') && !digits.Contains('/') && !digits.Contains(':') && !digits.Contains('½'));
        Assert.AreEqual("0,55295,57344,65535", CodePointSet.OfCategories(static _ => true).Key);
        Assert.IsTrue(CodePointSet.Empty.IsEmpty && !CodePointSet.All.IsEmpty);
        Assert.AreEqual(CodePointSet.All.Key, CodePointSet.Empty.Complement().Key);
        Assert.IsTrue(CodePointSet.All.Complement().IsEmpty);
        Assert.AreEqual("0,55295,57344,65535", CodePointSet.BasicPlane.Key);
        Assert.AreEqual("55290,55295,57344,57350", CodePointSet.Range(55_290, 57_350).Key, "no surrogates");
    }
}
