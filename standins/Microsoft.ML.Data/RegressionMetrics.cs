namespace Microsoft.ML.Data;

public sealed class RegressionMetrics
{
    internal RegressionMetrics(Sums sums)
    {
        if (sums.Count == 0)
            return;
        double n = sums.Count, variance = sums.LabelSquared - sums.Label * sums.Label / n;
        MeanAbsoluteError = sums.Absolute / n;
        MeanSquaredError = sums.Squared / n;
        RootMeanSquaredError = Math.Sqrt(MeanSquaredError);
        LossFunction = sums.Loss / n;
        RSquared = variance == 0 ? double.NaN : 1 - sums.Squared / variance;
    }

    public double MeanAbsoluteError { get; }

    public double MeanSquaredError { get; }

    public double RootMeanSquaredError { get; }

    public double LossFunction { get; }

    public double RSquared { get; }

    internal sealed class Sums
    {
        public long Count { get; private set; }

        public double Absolute { get; private set; }

        public double Squared { get; private set; }

        public double Loss { get; private set; }

        public double Label { get; private set; }

        public double LabelSquared { get; private set; }

        public void Add(float label, float score)
        {
            double absolute = Math.Abs((double)label - score);
            float difference = score - label;
            Count++;
            Absolute += absolute;
            Squared += absolute * absolute;
            Loss += difference * difference; // the squared loss in float32, as the original's
            Label += label;
            LabelSquared += label * label;
        }
    }
}
