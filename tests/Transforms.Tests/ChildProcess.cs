using MLNet.Gpt.Transforms.Tests.Engine;

namespace MLNet.Gpt.Transforms.Tests;

/// <summary>What a test does in a process of its own: the test assembly as a program.</summary>
internal static class ChildProcess
{
    /// <summary>The entry point; the test host doesn't use it.</summary>
    public static int Main(string[] arguments) => arguments is [OnnxDisposalRaces.Command, string race] ? OnnxDisposalRaces.Run(race) : 2;
}
