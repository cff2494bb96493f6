using System.Text;

namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class StopStringMatcherTests
{
    [TestMethod]
    public void The_first_stop_string_to_end_is_found_wherever_the_text_is_cut_and_what_may_belong_to_one_is_not_settled()
    {
        var random = new Random(11);
        for (int trial = 0; trial < 400; trial++)
        {
            string[] stops = [.. Enumerable.Range(0, random.Next(0, 4)).Select(_ => Letters(random.Next(1, 6)))];
            string text = Letters(random.Next(0, 30));
            var matcher = new StopStringMatcher(stops).Fresh();
            int end = 0;
            string? found = null;
            while (end < text.Length && found is null)
            {
                // A piece of the text; the naive search looks at each of its ends.
                int next = Math.Min(text.Length, end + random.Next(0, 4)), stopAt = next;
                for (int at = end + 1; at <= next && found is null; at++)
                {
                    found = stops.Where(stop => text[..at].EndsWith(stop, StringComparison.Ordinal)).MaxBy(static stop => stop.Length);
                    stopAt = at;
                }

                // From time to time another matcher goes on in its place.
                if (random.Next(3) == 0)
                {
                    StopStringMatcher other = matcher;
                    matcher = matcher.Fork();
                    other.Feed("ababab"u8);
                }

                Assert.AreEqual(found is not null, matcher.Feed(Encoding.UTF8.GetBytes(text[end..next])));
                end = next;
                Assert.AreEqual(found, matcher.Match);
                if (found is not null)
                {
                    Assert.AreEqual(stopAt - found.Length, matcher.ByteCount);
                    Assert.AreEqual(matcher.ByteCount, matcher.SettledByteCount);
                    continue;
                }

                int open = Enumerable.Range(0, end + 1).Max(n => stops.Any(stop => n < stop.Length && text[(end - n)..end] == stop[..n]) ? n : 0);
                Assert.AreEqual((end, end - open), (matcher.ByteCount, matcher.SettledByteCount));
            }

            string Letters(int count) => string.Concat(Enumerable.Range(0, count).Select(_ => random.Next(3) == 0 ? 'b' : 'a'));
        }
    }

    [TestMethod]
    public void A_fork_of_a_matcher_that_has_found_its_string_has_found_it_too()
    {
        var matcher = new StopStringMatcher(["cd"]);
        Assert.IsTrue(matcher.Feed("abcdef"u8));
        StopStringMatcher fork = matcher.Fork();
        Assert.AreEqual(("cd", 2, 2), (fork.Match, fork.ByteCount, fork.SettledByteCount));
        Assert.AreEqual((null, 0), (matcher.Fresh().Match, matcher.Fresh().ByteCount));
    }
}
