using static TorchSharp.torch;

// Random state, thread counts and tensor counts belong to the process or to the thread.
[assembly: DoNotParallelize]

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public static class AssemblySetup
{
    [AssemblyInitialize]
    public static void OneThread(TestContext context) => set_num_threads(1);
}
