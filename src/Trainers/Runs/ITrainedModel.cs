namespace MLNet.Gpt;

/// <summary>What a run trains, in memory and as its checkpoints keep it.</summary>
internal interface ITrainedModel
{
    /// <summary>The network, an adapter attached to it where one is trained.</summary>
    GptNetwork Network { get; }

    /// <summary>What training changes; their parameters' names, with <see cref="FlatParameters.StatePrefix"/>, differ.</summary>
    IReadOnlyList<FlatParameters> Sets { get; }

    /// <summary>Writes a checkpoint folder, which appears when it is complete.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="addFiles">Adds what belongs to the run and not to the model, to the unfinished folder.</param>
    void Write(string folder, Action<string> addFiles);

    /// <summary>Takes what <see cref="Write"/> wrote; what it did not write stays as it is.</summary>
    /// <exception cref="GptException">It can't be read, or is of another model.</exception>
    void Read(string folder);
}
