namespace MLNet.Gpt;

/// <summary>Chooses the number format for a device.</summary>
internal static class PrecisionPolicy
{
    /// <summary>Replaces Auto by the format that the device is fast at.</summary>
    public static GptPrecision Resolve(GptPrecision precision, GptDevice device) => Resolve(precision, device, ProcessorFeatures.Current);

    /// <summary>The same on a machine with a given processor.</summary>
    internal static GptPrecision Resolve(GptPrecision precision, GptDevice device, ProcessorFeatures processor) => precision switch
    {
        GptPrecision.Float32 or GptPrecision.BFloat16 => precision,
        GptPrecision.Auto => device.IsCuda || processor.IsFasterInBFloat16 ? GptPrecision.BFloat16 : GptPrecision.Float32,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, $"Precision {precision} is not one of Auto, Float32 and BFloat16."),
    };
}
