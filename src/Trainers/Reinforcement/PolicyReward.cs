namespace MLNet.Gpt;

/// <summary>What a policy is rewarded for: a reward model, or any function of prompt and response. Several are weighted and added.</summary>
/// <remarks>Immutable. A <see cref="GptRewardModel"/> converts to it, and a folder's path does: <c>Sources = ["runs/reward/model"]</c>.</remarks>
public sealed record PolicyReward
{
    private PolicyReward(string name, double weight) => (Name, Weight) = (name, weight);

    /// <summary>What reports call it: <c>rewards/NAME/mean</c>. Default "model" or "function".</summary>
    public string Name { get; init; }

    /// <summary>What its scores are multiplied by, finite and not 0. Default 1.</summary>
    public double Weight { get; init; }

    /// <summary>The reward model, which stays the caller's; null where it is something else.</summary>
    public GptRewardModel? Model { get; private init; }

    /// <summary>The reward model's folder; null where it is something else.</summary>
    public string? Folder { get; private init; }

    /// <summary>The function of one prompt and its response, called on the training thread; null where it is something else.</summary>
    public Func<string, string, double>? Each { get; private init; }

    /// <summary>The function of all responses of a rollout, called on the training thread; null where it is something else.</summary>
    public Func<IReadOnlyList<PolicyResponse>, IReadOnlyList<double>>? All { get; private init; }

    /// <summary>A reward model in memory.</summary>
    /// <param name="model">The model, on any engine, with the policy's tokenizer.</param>
    /// <param name="weight">As <see cref="Weight"/>.</param>
    public static PolicyReward Of(GptRewardModel model, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new("model", weight) { Model = model };
    }

    /// <summary>A reward model on the disk: an ONNX package, or a checkpoint as <c>SaveCheckpoint</c> and a reward model's run write it, which a value model can begin with.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="weight">As <see cref="Weight"/>.</param>
    public static PolicyReward InFolder(string folder, double weight = 1)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return new("model", weight) { Folder = folder };
    }

    /// <summary>A function of one prompt and its response.</summary>
    /// <param name="function">Gives a finite number, the higher the better.</param>
    /// <param name="weight">As <see cref="Weight"/>.</param>
    public static PolicyReward Of(Func<string, string, double> function, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new("function", weight) { Each = function };
    }

    /// <summary>A function of all responses of a rollout at once.</summary>
    /// <param name="function">Gives a finite number for each response, in their order.</param>
    /// <param name="weight">As <see cref="Weight"/>.</param>
    public static PolicyReward OfAll(Func<IReadOnlyList<PolicyResponse>, IReadOnlyList<double>> function, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new("function", weight) { All = function };
    }

    /// <summary>A reward model in memory.</summary>
    /// <param name="model">As for <see cref="Of(GptRewardModel, double)"/>.</param>
    public static implicit operator PolicyReward(GptRewardModel model) => Of(model);

    /// <summary>A reward model on the disk.</summary>
    /// <param name="folder">As for <see cref="InFolder"/>.</param>
    public static implicit operator PolicyReward(string folder) => InFolder(folder);
}
