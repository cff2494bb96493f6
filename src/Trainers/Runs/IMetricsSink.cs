namespace MLNet.Gpt;

/// <summary>Where reports go.</summary>
internal interface IMetricsSink : IDisposable
{
    /// <summary>Takes a report.</summary>
    /// <param name="report">The newest.</param>
    /// <param name="all">All of the run, it among them.</param>
    void Add(TrainingProgress report, IReadOnlyList<TrainingProgress> all);

    /// <summary>The run is over.</summary>
    /// <param name="all">All of its reports.</param>
    void Complete(IReadOnlyList<TrainingProgress> all);
}
