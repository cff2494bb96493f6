using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.Models;
using ServingApp.OpenAi;

namespace ServingApp.Queueing;

/// <summary>
/// What waits for the model, first come, first served. A generation takes along those behind it that can be computed in the same call. Bounded: a request that finds the queue
/// full is refused at once, and one whose client goes away leaves it.
/// </summary>
internal sealed class WorkQueue(ServingOptions options, ServingMetrics metrics, ModelHost models, ILogger<WorkQueue> log) : BackgroundService
{
    private readonly Lock _gate = new();
    private readonly LinkedList<QueuedWork> _waiting = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private int _idle = options.ConcurrentBatches; // loops that wait for work
    private bool _closed;

    /// <summary>The requests that wait.</summary>
    public int Length
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>Puts work into the queue.</summary>
    /// <exception cref="OpenAiException">The queue is full, or closed.</exception>
    public void Add(QueuedWork work)
    {
        lock (_gate)
        {
            if (_closed) throw OpenAiException.Stopping();
            if (_waiting.Count - _idle >= options.QueueLength) throw OpenAiException.QueueFull(options.QueueLength);
            _waiting.AddLast(work);
            metrics.Waiting(1);
        }

        // The token's source outlives the request, and with it the registration.
        work.CancellationToken.Register(() =>
        {
            lock (_gate)
            {
                if (!_waiting.Remove(work)) return;
                metrics.Waiting(-1);
            }

            work.Fail(new OperationCanceledException(work.CancellationToken));
        });
        _arrived.Release();
    }

    /// <summary>Refuses what comes from now on; what is there is computed.</summary>
    public void Close()
    {
        lock (_gate) _closed = true;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, options.ConcurrentBatches).Select(_ => Task.Run(() => RunAsync(stoppingToken), stoppingToken)));

    private async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await _arrived.WaitAsync(stop);
                IReadOnlyList<QueuedWork> next = TakeNext();
                if (next.Count == 0) continue; // it left, or went with others
                Compute(next, stop);
                lock (_gate) _idle++;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The program stops: nobody will compute what still waits.
            lock (_gate)
            {
                _closed = true;
                foreach (QueuedWork work in _waiting) work.Fail(OpenAiException.Stopping());
                metrics.Waiting(-_waiting.Count);
                _waiting.Clear();
            }
        }
    }

    private IReadOnlyList<QueuedWork> TakeNext()
    {
        lock (_gate)
        {
            if (_waiting.First is not { } first) return [];
            List<QueuedWork> taken = [first.Value];
            if (first.Value is GenerationWork generation)
            {
                int most = options.BatchRows / generation.Options.SamplesPerPrompt;
                for (LinkedListNode<QueuedWork>? node = first.Next; node is not null && taken.Count < most; node = node.Next)
                {
                    if (node.Value is GenerationWork other && taken.TrueForAll(work => ((GenerationWork)work).GoesWith(other))) taken.Add(other);
                }
            }

            foreach (QueuedWork work in taken) _waiting.Remove(work);
            metrics.Waiting(-taken.Count);
            _idle--;
            return taken;
        }
    }

    private void Compute(IReadOnlyList<QueuedWork> works, CancellationToken stop)
    {
        try
        {
            if (works[0] is CallWork call) call.Run(stop);
            else
            {
                GenerationWork[] generations = [.. works.Cast<GenerationWork>()];
                metrics.Batch(generations.Length * generations[0].Options.SamplesPerPrompt);
                GenerationBatch.Run(models.Require().RequireGpt(), generations, stop);
            }
        }
        catch (OperationCanceledException exception)
        {
            foreach (QueuedWork work in works) work.Fail(stop.IsCancellationRequested ? OpenAiException.Stopping() : exception);
        }
        catch (Exception exception)
        {
            // Whoever waits gets it, and the next in the queue is computed.
            if (exception is not (GptException or ArgumentException)) log.LogError(exception, "A computation failed for {Requests} requests.", works.Count);
            foreach (QueuedWork work in works) work.Fail(exception);
        }
    }

    public override void Dispose()
    {
        _arrived.Dispose();
        base.Dispose();
    }
}
