using MLNet.Gpt.Architecture.Tests.Api;

namespace MLNet.Gpt.Architecture.Tests.Standins;

[TestClass]
public class StandinListingTests
{
    public static IEnumerable<object[]> Standins => Repository.Standins.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Standins))]
    public void Every_public_member_of_a_stand_in_is_in_the_official_listing_with_that_very_signature(string standin)
    {
        Repository.RequireStandins();
        using var assemblies = new InspectedAssemblies();
        List<string> lines = [.. ApiListing.Of(assemblies.Named(standin)).Select(member => member.Line)];
        Assert.AreNotEqual(0, lines.Count, $"{standin} shows no public member at all.");

        if (OfficialListing.FullListings is { } folder)
        {
            IReadOnlySet<string> full = OfficialListing.Full(folder, standin);
            Report([.. lines.Where(line => !full.Contains(line))],
                $"{standin} has members that the official listing in {folder} lacks; nothing was written. Give them the official signature, or make them internal:");
            OfficialListing.Write(standin, lines);
            return;
        }

        IReadOnlyList<string> committed = OfficialListing.Committed(standin);
        Report([.. lines.Except(committed)],
            $"standins/official-api/{standin}.txt lacks these members of {standin}. If the official assembly has them, "
            + "eng/update-official-api.sh FOLDER adds the lines from its full listing; otherwise they must go:");
        Report([.. committed.Except(lines)],
            $"standins/official-api/{standin}.txt has lines that {standin} doesn't need. eng/update-official-api.sh FOLDER removes them:");
    }

    private static void Report(IReadOnlyList<string> lines, string heading)
    {
        if (lines.Count > 0)
            Assert.Fail($"{heading}\n  {string.Join("\n  ", lines)}");
    }
}
