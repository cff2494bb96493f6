using System.CommandLine;

namespace MLNet.Gpt.Tool;

/// <summary>The options of an adapter that is trained beside frozen weights.</summary>
internal sealed class LoraSwitches
{
    private readonly Option<int?> _rank = new Option<int?>("--lora") { Description = "Train an adapter (LoRA) of this rank beside all projections of the blocks, in place of the weights." }.AsNumber();
    private readonly Option<double?> _alpha = new Option<double?>("--lora-alpha") { Description = "What the adapter's term is scaled by, over its rank. Default: the rank." }.AsNumber();

    public void AddTo(Command command)
    {
        command.Options.Add(_rank);
        command.Options.Add(_alpha);
    }

    /// <summary>The adapter's form; null where the weights are trained.</summary>
    /// <exception cref="UsageException">A value is outside its range, or there is one for no adapter.</exception>
    public LoraOptions? Read(ParseResult parsed)
    {
        double? alpha = parsed.GetValue(_alpha);
        if (parsed.GetValue(_rank) is not { } rank) return alpha is null ? null : throw new UsageException($"{_alpha.Name} says how an adapter is scaled, and none is trained; give {_rank.Name}, or leave it out.");
        TrainingSwitches.Require(rank >= 1, _rank, rank, "1 or more");
        if (alpha is { } scale) TrainingSwitches.Require(scale > 0 && double.IsFinite(scale), _alpha, scale, "above 0 and finite");
        return new() { Rank = rank, Alpha = alpha ?? rank, Projections = LoraProjections.All };
    }
}
