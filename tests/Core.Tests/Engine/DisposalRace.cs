using System.Diagnostics;

namespace MLNet.Gpt.Core.Tests.Engine;

/// <summary>Disposes an object while threads use it. A use may end with an <see cref="ObjectDisposedException"/>, and in no other way.</summary>
internal static class DisposalRace
{
    /// <summary>Runs races, each over an object of its own and a thread for every use.</summary>
    /// <returns>How many calls were under way or done before the disposal, over all races, for each use.</returns>
    public static int[] Run<T>(int races, Func<T> make, params Action<T>[] uses)
        where T : IDisposable
    {
        var done = new int[uses.Length];
        for (int race = 0; race < races; race++)
        {
            T shared = make();
            using var start = new Barrier(uses.Length + 1);
            var failures = new Exception?[uses.Length];
            Thread[] threads = [.. uses.Select((use, index) => new Thread(() =>
            {
                start.SignalAndWait();
                try
                {
                    while (true)
                    {
                        use(shared);
                        done[index]++;
                    }
                }
                catch (Exception exception)
                {
                    failures[index] = exception;
                }
            }))];
            foreach (Thread thread in threads) thread.Start();
            start.SignalAndWait();

            // 0 to 1 ms later, spread evenly: before the first call, within one, between two.
            long until = Stopwatch.GetTimestamp() + (Stopwatch.Frequency * (race % 21) / 20_000);
            while (Stopwatch.GetTimestamp() < until) Thread.Yield();
            shared.Dispose();
            foreach (Thread thread in threads) thread.Join();
            for (int i = 0; i < failures.Length; i++) Assert.IsInstanceOfType<ObjectDisposedException>(failures[i], $"race {race}, use {i}: {failures[i]}");
        }

        return done;
    }
}
