using System.Numerics;

namespace MLNet.Gpt;

/// <summary>Holds out a part of the data for validation.</summary>
internal static class HeldOut
{
    /// <summary>Makes sure that there is a validation set where an option needs one: early stopping, or <see cref="EvaluationOptions.ReturnBest"/> where it is asked for.</summary>
    /// <param name="evaluation">The options.</param>
    /// <param name="given">Whether Fit was given a validation set.</param>
    /// <param name="held">What there is to validate on.</param>
    /// <param name="count">What the training set had before a part was held out.</param>
    /// <param name="items">What is counted: "prompts".</param>
    /// <param name="fraction">The share, where the options leave it open.</param>
    /// <param name="error">Makes the exception, of what is wrong and what to do.</param>
    /// <param name="rounding">How the share becomes a number; null for a share of the whole.</param>
    public static void Require(EvaluationOptions evaluation, bool given, int held, int count, string items, double fraction, Func<string, string, Exception> error, string? rounding = null)
    {
        string? needs = evaluation.EarlyStoppingPatience > 0 ? FormattableString.Invariant($"Evaluation.{nameof(EvaluationOptions.EarlyStoppingPatience)} is {evaluation.EarlyStoppingPatience}")
            : evaluation.ReturnBest == true ? $"Evaluation.{nameof(EvaluationOptions.ReturnBest)} is true" : null;
        if (held > 0 || needs is null) return;
        double share = evaluation.ValidationFraction ?? fraction;
        throw given ? error($"{needs}, which needs a validation set, and there are no {items} in the one that Fit was given.", $"Give it {items}.")
            : share == 0 ? error($"{needs}, which needs a validation set, and nothing is held out.", $"Give Fit a validation set, or set Evaluation.{nameof(EvaluationOptions.ValidationFraction)}.")
            : error(FormattableString.Invariant($"{needs}, which needs a validation set, and an Evaluation.{nameof(EvaluationOptions.ValidationFraction)} of {share} of {count} {items} holds out none{(rounding is null ? "" : $" ({rounding})")}."),
                $"Raise it, give more {items}, or give Fit a validation set.");
    }

    /// <summary>Reads the validation set that Fit was given: what is wrong with it is told of it, not of the training set.</summary>
    /// <exception cref="TrainingExampleException">A row can't be learnt from.</exception>
    /// <exception cref="PreferenceDataException">A row can't be learnt from.</exception>
    /// <exception cref="EmptyCorpusException">There is no text.</exception>
    public static T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (TrainingExampleException exception)
        {
            throw exception.OfValidation();
        }
        catch (PreferenceDataException exception)
        {
            throw exception.OfValidation();
        }
        catch (EmptyCorpusException exception)
        {
            throw new EmptyCorpusException($"The validation set can't be used. {exception.Message}");
        }
    }

    /// <summary>Chooses by the seed alone; one item at least stays.</summary>
    /// <param name="items">What is divided: prompts, each with all that belongs to it.</param>
    /// <param name="fraction">The share that is held out, 0 to 1 (exclusive).</param>
    /// <param name="seed">Any number.</param>
    /// <returns>Both parts, each in the order of the items.</returns>
    public static (IReadOnlyList<T> Training, IReadOnlyList<T> Validation) Split<T>(IReadOnlyList<T> items, double fraction, long seed)
    {
        int count = Math.Min((int)Math.Round(items.Count * fraction), items.Count - 1);
        ulong key = RandomBits.Mix(unchecked((ulong)seed) ^ 0x73706C6974000000);   // "split": other draws of the same seed have other keys
        var held = Enumerable.Range(0, items.Count).OrderBy(i => RandomBits.Mix(key ^ RandomBits.Mix((ulong)i))).Take(count).ToHashSet();
        return ([.. items.Where((_, i) => !held.Contains(i))], [.. items.Where((_, i) => held.Contains(i))]);
    }

    /// <summary>Moves some, drawn by the seed, to a set of their own; one at least stays.</summary>
    /// <param name="all">The training set, which loses them.</param>
    /// <param name="fraction">The share, 0 to 1 (exclusive).</param>
    /// <param name="seed">Any number.</param>
    public static List<T> Draw<T>(List<T> all, double fraction, long seed)
    {
        int n = all.Count, count = Math.Min((int)Math.Round(n * fraction), n - 1);
        var random = new Random(unchecked((int)seed));

        // A Fenwick tree counts who is left, so that each draw, of the k-th of these, takes log n steps.
        int[] tree = new int[n + 1];
        for (int i = 1; i <= n; i++)
        {
            tree[i]++;
            if (i + (i & -i) is var parent && parent <= n) tree[parent] += tree[i];
        }

        var heldOut = new List<T>(Math.Max(0, count));
        bool[] drawn = new bool[n];
        for (int left = n; heldOut.Count < count; left--)
        {
            int k = random.Next(left), at = 0;
            for (int step = 1 << BitOperations.Log2((uint)n); step > 0; step >>= 1)
            {
                if (at + step > n || tree[at + step] > k) continue;
                at += step;
                k -= tree[at];
            }

            heldOut.Add(all[at]);
            drawn[at] = true;
            for (int i = at + 1; i <= n; i += i & -i) tree[i]--;
        }

        int next = 0;
        all.RemoveAll(_ => drawn[next++]);
        return heldOut;
    }
}
