using System.Globalization;

namespace MLNet.Gpt;

/// <summary>JSON numbers within bounds, written without an exponent: their digits are compared with the bounds' from the left.</summary>
internal sealed class JsonNumbers(Grammar grammar)
{
    /// <summary>The largest number where there is no bound: the 15 digits that float64 holds without loss.</summary>
    private const decimal Limit = 999_999_999_999_999;

    private const int MostFractionDigits = 15;

    private readonly Dictionary<int, Expression> _fractions = [];

    /// <summary>The numbers from a bound to a bound, without them where they are exclusive.</summary>
    /// <param name="low">The lower bound; null for none.</param>
    /// <param name="lowExclusive">Whether the lower bound itself is left out.</param>
    /// <param name="high">The upper bound; null for none.</param>
    /// <param name="highExclusive">Whether the upper bound itself is left out.</param>
    /// <param name="fractionDigits">The most digits behind the point, 0 for integers; null for as many as there may be.</param>
    public Expression Between(decimal? low, bool lowExclusive, decimal? high, bool highExclusive, int? fractionDigits)
    {
        decimal from = low ?? Math.Min(-Limit, (high ?? 0) < 0 ? Scale(high!.Value) : -Limit), to = high ?? Math.Max(Limit, (low ?? 0) > 0 ? Scale(low!.Value) : Limit);
        int digits = fractionDigits ?? MostFractionDigits;
        List<Expression> ways = [];
        if (from < 0) ways.Add(Expression.Then(Expression.Of("-"), NotNegative(to < 0 ? -to : 0, to >= 0 || highExclusive, -from, lowExclusive, digits)));
        if (to >= 0) ways.Add(NotNegative(Math.Max(from, 0), from >= 0 && lowExclusive, to, highExclusive, digits));
        return Expression.AnyOf(ways);

        static decimal Scale(decimal value) => Math.Abs(value) > decimal.MaxValue / 10 ? value : value * 10;
    }

    private Expression NotNegative(decimal low, bool lowExclusive, decimal high, bool highExclusive, int digits)
    {
        if (low > high) return Expression.Never;
        var bounds = new Bounds(Digits.Of(low), lowExclusive, Digits.Of(high), highExclusive, digits);
        return Expression.AnyOf([.. Enumerable.Range(bounds.Low.Integer.Length, bounds.High.Integer.Length - bounds.Low.Integer.Length + 1)
            .Select(length => Integer(bounds, length, 0, length == bounds.Low.Integer.Length, length == bounds.High.Integer.Length))]);
    }

    // The digits before the point from one on. Tight means that all digits so far are the bound's own.
    private Expression Integer(Bounds bounds, int length, int index, bool tightLow, bool tightHigh)
    {
        if (index == length)
        {
            Expression end = bounds.MayEnd(0, tightLow, tightHigh) ? Expression.Empty : Expression.Never;
            return bounds.Digits == 0 ? end : Expression.AnyOf(end, Expression.Then(Expression.Of("."), Fraction(bounds, 0, tightLow, tightHigh)));
        }

        int smallest = tightLow ? bounds.Low.Integer[index] : index == 0 && length > 1 ? 1 : 0, largest = tightHigh ? bounds.High.Integer[index] : 9;
        if (!tightLow && !tightHigh && index > 0)
            return Expression.Then(Expression.Times(Digit(0, 9), length - index, length - index), Integer(bounds, length, length, false, false));
        return ByDigit(smallest, largest, tightLow, tightHigh, (low, high) => Integer(bounds, length, index + 1, low, high));
    }

    // The digits behind the point from one on, of which there is at least one.
    private Expression Fraction(Bounds bounds, int index, bool tightLow, bool tightHigh)
    {
        if (!tightLow && !tightHigh) return FreeFraction(bounds.Digits - index, index == 0 ? 1 : 0);
        Expression end = index > 0 && bounds.MayEnd(index, tightLow, tightHigh) ? Expression.Empty : Expression.Never;
        if (index == bounds.Digits) return end;
        int smallest = tightLow ? bounds.Low.FractionAt(index) : 0, largest = tightHigh ? bounds.High.FractionAt(index) : 9;
        return Expression.AnyOf(end, ByDigit(smallest, largest, tightLow, tightHigh, (low, high) => Fraction(bounds, index + 1, low, high)));
    }

    private static Expression ByDigit(int smallest, int largest, bool tightLow, bool tightHigh, Func<bool, bool, Expression> rest)
    {
        if (smallest > largest) return Expression.Never;
        if (smallest == largest) return Expression.Then(Digit(smallest, smallest), rest(tightLow, tightHigh));
        List<Expression> ways = [];
        if (tightLow) ways.Add(Expression.Then(Digit(smallest, smallest), rest(true, false)));
        if (tightHigh) ways.Add(Expression.Then(Digit(largest, largest), rest(false, true)));
        int first = smallest + (tightLow ? 1 : 0), last = largest - (tightHigh ? 1 : 0);
        if (first <= last) ways.Add(Expression.Then(Digit(first, last), rest(false, false)));
        return Expression.AnyOf(ways);
    }

    private Expression FreeFraction(int most, int least)
    {
        if (most < least) return Expression.Never;
        int key = (most * 2) + least;
        if (!_fractions.TryGetValue(key, out Expression? found))
        {
            int rule = grammar.Declare("fraction");
            grammar.Define(rule, Expression.Times(Digit(0, 9), least, most));
            _fractions.Add(key, found = new Expression.Call(rule));
        }

        return found;
    }

    private static Expression Digit(int first, int last) => Expression.Of(CodePointSet.Range('0' + first, '0' + last));

    private sealed record Bounds(Digits Low, bool LowExclusive, Digits High, bool HighExclusive, int Digits)
    {
        /// <summary>Whether a number whose digits so far, with this many behind the point, are a bound's own may end: it is that bound's or smaller.</summary>
        public bool MayEnd(int fractionDigits, bool tightLow, bool tightHigh) =>
            (!tightLow || (Low.IsZeroFrom(fractionDigits) && !LowExclusive)) && (!tightHigh || !High.IsZeroFrom(fractionDigits) || !HighExclusive);
    }

    private sealed record Digits(int[] Integer, int[] Fraction)
    {
        public static Digits Of(decimal value)
        {
            string[] parts = value.ToString(CultureInfo.InvariantCulture).Split('.');
            return new([.. parts[0].Select(static c => c - '0')], parts.Length == 1 ? [] : [.. parts[1].Select(static c => c - '0')]);
        }

        public int FractionAt(int index) => index < Fraction.Length ? Fraction[index] : 0;

        public bool IsZeroFrom(int index) => Fraction.Skip(index).All(static digit => digit == 0);
    }
}
