namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class CsvRecordsTests
{
    [TestMethod]
    public void Quoted_fields_hold_commas_line_ends_and_quotes()
    {
        string[][] records = Read("a,b,c\r\n\"1,2\",\"x\ny\",\"he said \"\"no\"\"\"\n\n,,\nlast,\"\",é");
        Assert.HasCount(4, records);
        CollectionAssert.AreEqual(new[] { "a", "b", "c" }, records[0]);
        CollectionAssert.AreEqual(new[] { "1,2", "x\ny", "he said \"no\"" }, records[1]);
        CollectionAssert.AreEqual(new[] { "", "", "" }, records[2]);
        CollectionAssert.AreEqual(new[] { "last", "", "é" }, records[3]);
        Assert.IsEmpty(Read(""));
    }

    [TestMethod]
    public void What_is_no_csv_is_named_with_its_record()
    {
        Assert.AreEqual(1L, Assert.ThrowsExactly<EvaluationFileException>(() => Read("a\n\"b")).Row);
        Assert.AreEqual(2L, Assert.ThrowsExactly<EvaluationFileException>(() => Read("a\nb\n\"c\"d\n")).Row);
    }

    private static string[][] Read(string text) => [.. CsvRecords.Read(new StringReader(text), "test.csv")];
}
