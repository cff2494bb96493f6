namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class TokenBufferTests
{
    [TestMethod]
    public void It_grows_and_shrinks_at_its_end_as_a_list_does()
    {
        var random = new Random(8);
        for (int trial = 0; trial < 50; trial++)
        {
            using var buffer = new TokenBuffer(random.Next(0, 40));
            List<int> expected = [];
            for (int step = 0; step < 200; step++)
            {
                int[] tokens = [.. Enumerable.Range(0, random.Next(0, trial)).Select(_ => random.Next())];
                switch (random.Next(4))
                {
                    case 0:
                        buffer.Add(step);
                        expected.Add(step);
                        break;
                    case 1:
                        buffer.Add(tokens);
                        expected.AddRange(tokens);
                        break;
                    case 2:
                        Span<int> taken = buffer.Take(tokens.Length);
                        Assert.AreEqual(tokens.Length, taken.Length);
                        tokens.CopyTo(taken);
                        expected.AddRange(tokens);
                        break;
                    default:
                        int back = Math.Min(tokens.Length, expected.Count);
                        buffer.GiveBack(back);
                        expected.RemoveRange(expected.Count - back, back);
                        break;
                }

                Assert.AreEqual(expected.Count, buffer.Count);
                CollectionAssert.AreEqual(expected, buffer.Written.ToArray());
            }
        }
    }
}
