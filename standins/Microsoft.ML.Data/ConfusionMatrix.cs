using System.Globalization;
using System.Text;

namespace Microsoft.ML.Data;

public sealed class ConfusionMatrix
{
    private readonly string[] _names;

    /// <param name="counts">Rows are the actual classes, columns the predicted ones.</param>
    internal ConfusionMatrix(double[][] counts, string[] names)
    {
        _names = names;
        NumberOfClasses = counts.Length;
        Counts = [.. counts.Select(row => (IReadOnlyList<double>)row.AsReadOnly())];
        PerClassRecall = [.. counts.Select((row, i) => Share(row[i], row.Sum()))];
        PerClassPrecision = [.. counts.Select((row, i) => Share(row[i], counts.Sum(each => each[i])))];
    }

    public IReadOnlyList<double> PerClassPrecision { get; }

    public IReadOnlyList<double> PerClassRecall { get; }

    public IReadOnlyList<IReadOnlyList<double>> Counts { get; }

    public int NumberOfClasses { get; }

    public double GetCountForClassPair(int predictedClassIndicatorIndex, int actualClassIndicatorIndex)
    {
        Check(predictedClassIndicatorIndex, nameof(predictedClassIndicatorIndex));
        Check(actualClassIndicatorIndex, nameof(actualClassIndicatorIndex));
        return Counts[actualClassIndicatorIndex][predictedClassIndicatorIndex];

        void Check(int index, string name) =>
            Contracts.CheckParam(index >= 0 && index < NumberOfClasses, name, "Invalid index. Should be non-negative, less than the number of classes.");
    }

    public string GetFormattedConfusionTable()
    {
        // Columns are as wide as a count, and headed by the names where these fit, else by numbers that the rows repeat.
        int width = NumberOfClasses == 2 ? 8 : 5, longest = _names.Max(name => name.Length);
        bool numbered = longest > width;
        int digits = (NumberOfClasses - 1).ToString(CultureInfo.CurrentCulture).Length;
        int left = Math.Max("PREDICTED".Length, longest + (numbered ? digits + 2 : 0));
        string rule = string.Concat(Enumerable.Repeat(new string('=', NumberOfClasses > 2 ? 8 : 11), NumberOfClasses));

        var table = new StringBuilder();
        table.AppendLine().AppendLine("Confusion table");
        table.Append(Head("")).AppendLine(rule);
        table.Append(Head("PREDICTED"));
        for (int j = 0; j < NumberOfClasses; j++)
            table.Append($" {(numbered ? j.ToString(CultureInfo.CurrentCulture) : _names[j]).PadLeft(width)} |");
        table.AppendLine(" Recall");
        table.Append(Head("TRUTH")).AppendLine(rule);
        for (int i = 0; i < NumberOfClasses; i++)
        {
            table.Append(numbered ? $"{i.ToString(CultureInfo.CurrentCulture).PadLeft(digits)}. {_names[i].PadLeft(left - digits - 2)} ||" : $"{_names[i].PadLeft(left)} ||");
            foreach (double count in Counts[i])
                table.Append($" {count.ToString("N0", CultureInfo.CurrentCulture).PadLeft(width)} |");
            table.AppendLine($" {PerClassRecall[i].ToString("F4", CultureInfo.CurrentCulture).PadLeft(5)}");
        }
        table.Append(Head("")).AppendLine(rule);
        table.Append(Head("Precision"));
        foreach (double precision in PerClassPrecision)
            table.Append($"{precision.ToString("N4", CultureInfo.CurrentCulture).PadLeft(width + 1)} |");
        return table.AppendLine().ToString();

        string Head(string text) => $"{text.PadRight(left)} ||";
    }

    private static double Share(double part, double whole) => whole > 0 ? part / whole : 0;
}
