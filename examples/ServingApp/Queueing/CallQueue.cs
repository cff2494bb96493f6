using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.OpenAi;

namespace ServingApp.Queueing;

/// <summary>
/// The calls that wait for a model, first come, first served, beside the generations, which wait in <see cref="Models.ServedModel.Queue"/>. Bounded: a request that finds the queue full is refused at once, and one whose client goes
/// away leaves it.
/// </summary>
internal sealed class CallQueue(ServingOptions options, ILogger<CallQueue> log) : BackgroundService
{
    private readonly Lock _gate = new();
    private readonly LinkedList<CallWork> _waiting = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private int _idle = options.ConcurrentCalls; // loops that wait for work
    private bool _closed;

    /// <summary>The calls that wait.</summary>
    public int Length
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>Puts a call into the queue.</summary>
    /// <exception cref="OpenAiException">The queue is full, or nobody computes any more.</exception>
    public void Add(CallWork work)
    {
        lock (_gate)
        {
            if (_closed) throw OpenAiException.Stopping();
            if (_waiting.Count - _idle >= options.QueueLength) throw OpenAiException.QueueFull(options.QueueLength);
            _waiting.AddLast(work);
        }

        // The token's source outlives the request, and with it the registration.
        work.CancellationToken.Register(() =>
        {
            lock (_gate)
            {
                if (!_waiting.Remove(work)) return;
            }

            work.Fail(new OperationCanceledException(work.CancellationToken));
        });
        _arrived.Release();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, options.ConcurrentCalls).Select(_ => Task.Run(() => RunAsync(stoppingToken), stoppingToken)));

    private async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await _arrived.WaitAsync(stop);
                CallWork work;
                lock (_gate)
                {
                    if (_waiting.First is not { } first) continue; // it left
                    work = first.Value;
                    _waiting.RemoveFirst();
                    _idle--;
                }

                Compute(work, stop);
                lock (_gate) _idle++;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The program stops: nobody will compute what still waits.
            lock (_gate)
            {
                _closed = true;
                foreach (CallWork work in _waiting) work.Fail(OpenAiException.Stopping());
                _waiting.Clear();
            }
        }
    }

    private void Compute(CallWork work, CancellationToken stop)
    {
        try
        {
            work.Run(stop);
        }
        catch (OperationCanceledException exception)
        {
            work.Fail(stop.IsCancellationRequested ? OpenAiException.Stopping() : exception);
        }
        catch (Exception exception)
        {
            // Whoever waits gets it, and the next in the queue is computed.
            if (exception is not (GptException or ArgumentException)) log.LogError(exception, "A computation failed.");
            work.Fail(exception);
        }
    }

    public override void Dispose()
    {
        _arrived.Dispose();
        base.Dispose();
    }
}
