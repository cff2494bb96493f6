namespace MLNet.Gpt;

/// <summary>
/// The weights of a GPT with a task head: <see cref="IGptWeights.Read"/> knows the names of <see cref="GptParameterLayout"/> and of
/// <see cref="ClassifierParameterLayout"/>.
/// </summary>
public interface IClassifierWeights : IGptWeights
{
    /// <summary>The head.</summary>
    ClassifierHead Head { get; }
}
