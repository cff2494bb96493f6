using System.Diagnostics;

namespace MLNet.Gpt.Trainers.Tests.Fuzzing;

/// <summary>Gives a parser damaged inputs and notes what becomes of them. Input n of a parser is the same in every run.</summary>
internal sealed class Fuzzer : IDisposable
{
    private readonly FuzzTarget _target;
    private readonly string _folder;
    private readonly string _path;
    private readonly byte[] _valid;
    private long _startedAt;

    /// <summary>Writes the valid files and reads them, which must succeed.</summary>
    public Fuzzer(FuzzTarget target)
    {
        _target = target;
        _folder = Directory.CreateTempSubdirectory("mlnet-gpt-fuzz-").FullName;
        target.Prepare(_folder);
        _path = Path.Combine(_folder, target.File);
        _valid = File.ReadAllBytes(_path);
        target.Read(_folder);
    }

    /// <summary>The valid file.</summary>
    public byte[] Valid => (byte[])_valid.Clone();

    /// <summary>What has happened so far.</summary>
    public FuzzTally Tally { get; } = new();

    /// <summary>How long the input at work has been read; zero between inputs. Any thread may ask.</summary>
    public TimeSpan Running => Volatile.Read(ref _startedAt) is var at and not 0 ? Stopwatch.GetElapsedTime(at) : TimeSpan.Zero;

    /// <summary>The n-th damaged input.</summary>
    public byte[] Input(long n)
    {
        // FNV-1a of the name, so that parsers of the same format get inputs of their own.
        uint hash = 2_166_136_261;
        foreach (char c in _target.Name) hash = (hash ^ c) * 16_777_619;
        return _target.Mutate(_valid, new Random(unchecked((int)(hash + ((uint)n * 2_654_435_761)))));
    }

    /// <summary>Reads one damaged input.</summary>
    public void Run(long n) => Run(Input(n), $"input {n}");

    /// <summary>Reads one damaged input.</summary>
    /// <param name="input">The file.</param>
    /// <param name="name">What it is called in a report.</param>
    /// <returns>The exception that refused it; null where it was read.</returns>
    public Exception? Run(byte[] input, string name)
    {
        File.WriteAllBytes(_path, input);
        Exception? thrown = null;
        long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        Volatile.Write(ref _startedAt, start);
        try
        {
            _target.Read(_folder);
        }
        catch (Exception exception)
        {
            thrown = exception;   // which one it may be is judged below
        }

        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Volatile.Write(ref _startedAt, 0);
        double megabytes = (GC.GetAllocatedBytesForCurrentThread() - before) / (1024.0 * 1024);
        bool untyped = thrown is not null && IsUntyped(thrown);
        Tally.Add(thrown is not null && !untyped, untyped ? $"{_target.Name}, {name}: {thrown}" : null, milliseconds, megabytes);
        return thrown;
    }

    public void Dispose()
    {
        // ML.NET deletes its own temporary folders in here from a finalizer, at the same time maybe.
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                Directory.Delete(_folder, recursive: true);
                return;
            }
            catch (DirectoryNotFoundException) when (attempt < 10)
            {
                if (!Directory.Exists(_folder)) return;
            }
        }
    }

    private bool IsUntyped(Exception thrown)
    {
        if (!_target.IsReadByOthers) return thrown is not GptException;

        // ML.NET wraps what this library throws; what it throws itself before or after is its own affair.
        Exception? innermost = thrown;
        for (Exception? e = thrown; e is not null; e = e.InnerException)
        {
            if (e is GptException) return false;
            innermost = e;
        }

        string ours = typeof(GptException).Namespace + ".", tests = typeof(Fuzzer).Namespace!;
        return innermost!.StackTrace?.Split('\n').Any(line => line.Contains("at " + ours, StringComparison.Ordinal) && !line.Contains(tests, StringComparison.Ordinal)) ?? true;
    }
}
