namespace MLNet.Gpt.Trainers.Tests.Fuzzing;

/// <summary>What became of some damaged inputs.</summary>
internal sealed class FuzzTally
{
    /// <summary>Inputs read.</summary>
    public long Inputs { get; private set; }

    /// <summary>Those that were refused by a typed error.</summary>
    public long Refused { get; private set; }

    /// <summary>Those that ended in any other exception.</summary>
    public long Untyped { get; private set; }

    /// <summary>The first of them, with the inputs' numbers.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>The longest time of one input, in milliseconds.</summary>
    public double WorstMilliseconds { get; private set; }

    /// <summary>The most managed memory that one input took, in all, in MiB.</summary>
    public double WorstMegabytes { get; private set; }

    public void Add(bool refused, string? fault, double milliseconds, double megabytes)
    {
        Inputs++;
        if (refused) Refused++;
        if (fault is not null)
        {
            Untyped++;
            if (Faults.Count < 5) Faults.Add(fault);
        }

        WorstMilliseconds = Math.Max(WorstMilliseconds, milliseconds);
        WorstMegabytes = Math.Max(WorstMegabytes, megabytes);
    }
}
