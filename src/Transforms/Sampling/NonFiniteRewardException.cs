namespace MLNet.Gpt;

/// <summary>A reward model gave a response a reward that is not a number, so that the response can't be compared with others.</summary>
public sealed class NonFiniteRewardException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="reward">The reward.</param>
    /// <param name="response">The response, of which the message quotes the beginning.</param>
    public NonFiniteRewardException(float reward, string response)
        : base(FormattableString.Invariant($"The reward model gave {reward} to the response \"{(response ?? throw new ArgumentNullException(nameof(response)))[..Math.Min(60, response.Length)]}\". Its weights are damaged or its training diverged: load an earlier checkpoint, or export the model again.")) =>
        (Reward, Response) = (reward, response);

    /// <summary>The reward.</summary>
    public float Reward { get; }

    /// <summary>The response.</summary>
    public string Response { get; }
}
