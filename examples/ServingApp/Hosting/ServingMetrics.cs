using System.Diagnostics;
using System.Diagnostics.Metrics;
using ServingApp.Models;
using ServingApp.Queueing;

namespace ServingApp.Hosting;

/// <summary>What the program counts and measures. Names and units follow OpenTelemetry's conventions for generative AI where they have one.</summary>
internal sealed class ServingMetrics
{
    public const string MeterName = "MLNet.Gpt.Serving";

    private readonly Histogram<double> _duration, _firstToken, _tokenTime;
    private readonly Histogram<int> _rows;
    private readonly Counter<long> _tokens, _refused, _closed;

    public ServingMetrics(IMeterFactory factory, ModelHost models, CallQueue calls)
    {
        Meter meter = factory.Create(MeterName);
        double[] seconds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
        _duration = meter.CreateHistogram("gen_ai.server.request.duration", "s", "From a request's arrival to its end.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = seconds });
        _firstToken = meter.CreateHistogram("gen_ai.server.time_to_first_token", "s", "From a request's arrival to its first token.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = seconds });
        _tokenTime = meter.CreateHistogram("gen_ai.server.time_per_output_token", "s", "The time of a token after the first.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] });
        _rows = meter.CreateHistogram("serving.batch.rows", "{sequence}", "Sequences that were under way when one of them got a token.", advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64] });
        _tokens = meter.CreateCounter<long>("serving.tokens", "{token}", "Tokens read (type input) and written (type output).");
        _refused = meter.CreateCounter<long>("serving.requests.refused", "{request}", "Requests that were answered with an error, by status code.");
        _closed = meter.CreateCounter<long>("serving.connections.closed", "{connection}", "Idle connections that were closed because others needed their places.");
        meter.CreateObservableUpDownCounter("serving.queue.length", () => calls.Length + models.Queues.Sum(static queue => queue.WaitingCount), "{request}", "Answers and calls that wait to be computed.");
        meter.CreateObservableCounter("serving.prompt.reused", () => models.Queues.Sum(static queue => queue.ReusedTokens), "{token}", "Tokens of prompts that were not computed again.");
    }

    public void Refused(int status) => _refused.Add(1, new KeyValuePair<string, object?>("http.response.status_code", status));

    /// <summary>An idle connection has been closed to make room.</summary>
    public void ConnectionClosed() => _closed.Add(1);

    /// <summary>A token has been chosen.</summary>
    /// <param name="rows">The sequences that were computed with its own, itself among them.</param>
    public void Token(int rows) => _rows.Record(rows);

    /// <summary>A generation has ended.</summary>
    /// <param name="arrival">When its request arrived.</param>
    /// <param name="firstToken">When its first token came; 0 where none did.</param>
    /// <param name="inputTokens">The prompt's tokens.</param>
    /// <param name="outputTokens">The tokens written.</param>
    public void Ended(long arrival, long firstToken, int inputTokens, int outputTokens)
    {
        _duration.Record(Stopwatch.GetElapsedTime(arrival).TotalSeconds);
        if (firstToken != 0) _firstToken.Record(Stopwatch.GetElapsedTime(arrival, firstToken).TotalSeconds);
        if (firstToken != 0 && outputTokens > 1) _tokenTime.Record(Stopwatch.GetElapsedTime(firstToken).TotalSeconds / (outputTokens - 1));
        _tokens.Add(inputTokens, new KeyValuePair<string, object?>("type", "input"));
        _tokens.Add(outputTokens, new KeyValuePair<string, object?>("type", "output"));
    }
}
