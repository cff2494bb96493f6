using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class TextFileTests
{
    private readonly MLContext _ml = new();
    private string _path = "";

    private sealed class Review
    {
        [LoadColumn(0)] public string Text { get; set; } = "";
        [LoadColumn(1)] public int Stars { get; set; }
        [LoadColumn(2, 3)] public float[] Scores { get; set; } = [];
        [LoadColumn(4), ColumnName("Label")] public bool Good { get; set; }
    }

    [TestInitialize]
    public void CreateFile() => _path = Path.GetTempFileName();

    [TestCleanup]
    public void DeleteFile() => File.Delete(_path);

    private Review[] Read(string text, bool hasHeader = false, bool allowQuoting = false)
    {
        File.WriteAllText(_path, text);
        var data = _ml.Data.LoadFromTextFile<Review>(_path, separatorChar: ',', hasHeader: hasHeader, allowQuoting: allowQuoting);
        return [.. _ml.Data.CreateEnumerable<Review>(data, reuseRowObject: false)];
    }

    [TestMethod]
    public void Fields_become_the_columns_that_the_class_names()
    {
        var row = Read("good, 5,0.5,-1e2,true\n").Single();
        Assert.AreEqual(("good", 5, true), (row.Text, row.Stars, row.Good));
        CollectionAssert.AreEqual(new[] { 0.5f, -100f }, row.Scores);
    }

    [TestMethod]
    public void A_header_comments_and_empty_lines_are_no_rows()
    {
        var rows = Read("# comment\nText,Stars,A,B,Label\n// comment\n\na,1,0,0,1\n#b,2,0,0,0\n", hasHeader: true);
        CollectionAssert.AreEqual(new[] { "a", "#b" }, rows.Select(row => row.Text).ToArray());
    }

    [TestMethod]
    public void Quotes_protect_separators_and_two_of_them_stand_for_one()
    {
        var row = Read("\"a, \"\"b\"\"\" ,1,0,0,1\n", allowQuoting: true).Single();
        Assert.AreEqual("a, \"b\"", row.Text);
        Assert.AreEqual(1, row.Stars);
        Assert.AreEqual("\"a", Read("\"a,1,0,0,1\n").Single().Text, "without quoting, a quote is a character");
    }

    [TestMethod]
    public void Missing_fields_have_the_default_value_and_unreadable_real_numbers_are_not_numbers()
    {
        var rows = Read("a\nb,,x,\n");
        Assert.AreEqual(("a", 0, false), (rows[0].Text, rows[0].Stars, rows[0].Good));
        CollectionAssert.AreEqual(new[] { 0f, 0f }, rows[0].Scores);
        CollectionAssert.AreEqual(new[] { float.NaN, 0f }, rows[1].Scores);
    }

    [TestMethod]
    public void An_integer_that_can_not_be_read_is_an_error()
    {
        Assert.ThrowsExactly<FormatException>(() => Read("a,five,0,0,1\n"));
    }

    [TestMethod]
    public void A_path_without_a_file_is_an_error()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Data.LoadFromTextFile<Review>(_path + ".absent"));
    }
}
