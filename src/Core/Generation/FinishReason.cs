namespace MLNet.Gpt;

/// <summary>Why a generated sequence ended.</summary>
public enum FinishReason
{
    /// <summary>The end-of-text token, or one of <see cref="GenerationOptions.StopTokenIds"/>, was sampled. It is not part of the output.</summary>
    StopToken,

    /// <summary>One of <see cref="GenerationOptions.StopStrings"/> appeared in the output.</summary>
    StopString,

    /// <summary><see cref="GenerationOptions.MaxNewTokens"/> tokens were generated.</summary>
    MaxNewTokens,

    /// <summary>The last generated token has no position left in the model's context.</summary>
    ContextFull,
}
