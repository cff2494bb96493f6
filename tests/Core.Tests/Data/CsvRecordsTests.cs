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

    [TestMethod]
    public void Lines_may_end_with_either_sign_or_both_and_a_NUL_is_a_character()
    {
        AreEqual("a b|c|d|e", "a b\rc\nd\r\ne\r\n");
        AreEqual("a|b", "a\r\rb\n\n");
        AreEqual("a,|b", "a,\r\nb");
        AreEqual("\0a|\0|x\0,\0", "\0a\n\0\n\"x\0\",\0");

        static void AreEqual(string expected, string text) => Assert.AreEqual(expected, string.Join('|', Read(text).Select(static fields => string.Join(',', fields))));
    }

    [TestMethod]
    public void What_is_wrong_is_told_with_what_to_do()
    {
        Assert.AreEqual("test.csv, record 1: ends inside of quotes. The file is cut short, or a quote is not closed: copy it again.", Assert.ThrowsExactly<EvaluationFileException>(() => Read("a\n\"b")).Message);
        Assert.AreEqual("test.csv, record 2: has 'd' behind a closing quote. Double the quotes inside of a quoted field.", Assert.ThrowsExactly<EvaluationFileException>(() => Read("a\nb\n\"c\"d\n")).Message);
    }

    private static string[][] Read(string text) => [.. CsvRecords.Read(new StringReader(text), "test.csv")];
}
