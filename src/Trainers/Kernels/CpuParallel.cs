using TorchSharp;

namespace MLNet.Gpt;

/// <summary>Spreads the blocks of a kernel over libtorch's number of threads.</summary>
internal static class CpuParallel
{
    /// <summary>
    /// Runs a body once for each block, in any order, on this thread and on the pool's; returns when all are done. A thread takes the next
    /// block when it has finished one, so that one that gets little of a busy processor delays the others little.
    /// </summary>
    /// <param name="blocks">How many blocks.</param>
    /// <param name="body">Takes the block's number; must not throw and must not use tensors.</param>
    public static void For(int blocks, Action<int> body)
    {
        int helpers = Math.Min(blocks, torch.get_num_threads()) - 1;
        if (helpers <= 0)
        {
            for (int block = 0; block < blocks; block++) body(block);
            return;
        }

        var job = new Job(blocks, body);
        for (int i = 0; i < helpers; i++) ThreadPool.UnsafeQueueUserWorkItem(job, preferLocal: false);
        job.Execute();
        job.Wait();
    }

    private sealed class Job(int blocks, Action<int> body) : IThreadPoolWorkItem
    {
        private int _next = -1;
        private int _done;

        public void Execute()
        {
            for (int block; (block = Interlocked.Increment(ref _next)) < blocks;)
            {
                body(block);
                Interlocked.Increment(ref _done);
            }
        }

        /// <summary>Waits for the blocks that others have begun. Those who come later find nothing to do.</summary>
        public void Wait()
        {
            var spin = new SpinWait();
            while (Volatile.Read(ref _done) < blocks) spin.SpinOnce(sleep1Threshold: -1);
        }
    }
}
