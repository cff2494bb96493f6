namespace MLNet.Gpt;

/// <summary>A run's reports, and the sinks that each of them goes to: files in the run's folder, the log, and whoever asked for them.</summary>
internal sealed class RunMetrics : IDisposable
{
    private readonly List<TrainingProgress> _reports = [];
    private readonly List<IMetricsSink> _sinks = [];

    /// <summary>Opens the sinks.</summary>
    /// <param name="folder">The run's folder; null for none.</param>
    /// <param name="resumed">The state to continue from; null begins afresh. Reports that came after it will be made again, and are dropped.</param>
    /// <param name="tensorBoard">Whether TensorBoard's event files are written.</param>
    /// <param name="axis">What stands beside the vertical axis of the loss curve.</param>
    /// <param name="log">Gets a line for each report.</param>
    /// <param name="progress">Gets each report; null for nobody.</param>
    public RunMetrics(string? folder, RunState? resumed, bool tensorBoard, string axis, Action<string> log, Action<TrainingProgress>? progress)
    {
        if (folder is not null)
        {
            var file = new MetricsFile(folder);
            if (resumed is null) file.Clear();
            else _reports.AddRange(file.Resume(resumed.ReportedStep));
            _sinks.Add(file);
            _sinks.Add(new LossCurveFile(folder, axis));
            if (tensorBoard) _sinks.Add(new TensorBoardLog(Path.Combine(folder, "tensorboard"), resumed?.Step ?? 0));
        }

        _sinks.Add(new CallbackSink(report => log(report.ToString())));
        if (progress is not null) _sinks.Add(new CallbackSink(progress));
    }

    /// <summary>Every report, in order.</summary>
    public IReadOnlyList<TrainingProgress> Reports => _reports;

    /// <summary>Hands a report to all sinks.</summary>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="FolderNotWritableException">A file can't be written.</exception>
    public void Add(TrainingProgress report)
    {
        _reports.Add(report);
        foreach (IMetricsSink sink in _sinks) sink.Add(report, _reports);
    }

    /// <summary>Tells all sinks that the run is over.</summary>
    public void Complete()
    {
        foreach (IMetricsSink sink in _sinks) sink.Complete(_reports);
    }

    public void Dispose()
    {
        foreach (IMetricsSink sink in _sinks) sink.Dispose();
    }

    private sealed class CallbackSink(Action<TrainingProgress> callback) : IMetricsSink
    {
        public void Add(TrainingProgress report, IReadOnlyList<TrainingProgress> all) => callback(report);

        public void Complete(IReadOnlyList<TrainingProgress> all)
        {
        }

        public void Dispose()
        {
        }
    }
}
