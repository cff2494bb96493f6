using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Language modelling beside the reward, so that a policy does not forget (PPO-ptx; Ouyang et al. 2022, equation 2).</summary>
/// <remarks>Immutable. Checked with the options that it is a part of. The loss of an update gets γ·(the mean loss of some packed rows of the corpus, nats per token).</remarks>
public sealed record PretrainingMixOptions
{
    /// <summary>γ, above 0. Default 27.8 (Ouyang et al. 2022, appendix C.4).</summary>
    public double Coefficient { get; init; } = 27.8;

    /// <summary>Rows of T + 1 tokens of the corpus in one update, 1 or more. Default 8.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>The corpus: a data view; or null where <see cref="TokenFile"/> names one.</summary>
    public IDataView? Texts { get; init; }

    /// <summary>The text column of <see cref="Texts"/>, one document a row. Default "Text".</summary>
    public string TextColumnName { get; init; } = "Text";

    /// <summary>The corpus: the path of a token file of the policy's tokenizer, such as <c>corpus/train.tokens</c> of a pretraining run; or null where <see cref="Texts"/> are given.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or there is not one corpus.</exception>
    public PretrainingMixOptions Validate()
    {
        OptionCheck.Require(Coefficient > 0 && double.IsFinite(Coefficient), Coefficient, nameof(Coefficient), "above 0 and finite");
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        ArgumentException.ThrowIfNullOrEmpty(TextColumnName);
        if (Texts is null == TokenFile is null)
            throw new ArgumentException($"PretrainingMix has {(Texts is null ? "no corpus" : "two corpora")}; set one of {nameof(Texts)} and {nameof(TokenFile)}.", nameof(Texts));
        return this;
    }
}
