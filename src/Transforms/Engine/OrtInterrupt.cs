using Microsoft.ML.OnnxRuntime;

namespace MLNet.Gpt;

/// <summary>Ends a run of ONNX Runtime, between two nodes of the graph, when a token is cancelled. Disposing it makes the run options fit for the next run.</summary>
internal readonly struct OrtInterrupt : IDisposable
{
    private readonly RunOptions _options;
    private readonly CancellationTokenRegistration _registration;
    private readonly CancellationToken _token;

    private OrtInterrupt(RunOptions options, CancellationToken token)
    {
        _options = options;
        _token = token;
        _registration = token.UnsafeRegister(static options => ((RunOptions)options!).Terminate = true, options);
    }

    /// <summary>Watches a token during one run.</summary>
    /// <param name="options">The options of that run alone.</param>
    /// <param name="token">The token.</param>
    /// <exception cref="OperationCanceledException">It has been cancelled already.</exception>
    public static OrtInterrupt Watch(RunOptions options, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        return new(options, token);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _registration.Dispose(); // waits for a callback under way
        if (_token.IsCancellationRequested) _options.Terminate = false;
    }
}
