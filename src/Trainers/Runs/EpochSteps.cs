using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How many updates epochs have, counted so that no size of a batch and no number of epochs overflows.</summary>
internal static class EpochSteps
{
    /// <summary>The updates of an epoch, the last of which may have fewer examples.</summary>
    /// <param name="examples">The examples, 0 or more.</param>
    /// <param name="batchSize">Examples of an update, 1 or more; more than there are means all of them.</param>
    public static int Of(int examples, int batchSize) => (int)(((long)examples + batchSize - 1) / batchSize);

    /// <summary>The updates of a whole run.</summary>
    /// <param name="stepsOfEpoch">Those of an epoch.</param>
    /// <param name="epochs">The epochs.</param>
    /// <param name="name">The option that says how many epochs there are.</param>
    /// <exception cref="ArgumentOutOfRangeException">They are more than a run can count.</exception>
    public static int Total(int stepsOfEpoch, int epochs, string name)
    {
        long steps = (long)stepsOfEpoch * epochs;
        return steps <= int.MaxValue ? (int)steps
            : throw new ArgumentOutOfRangeException(name, epochs, string.Create(CultureInfo.InvariantCulture,
                $"{name} is {epochs}, and an epoch has {stepsOfEpoch} updates: {steps:N0} in all, of which a run counts {int.MaxValue:N0} at most. Lower it, as the learning rate falls over the whole run; early stopping ends a run sooner."));
    }
}
