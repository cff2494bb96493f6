using System.Diagnostics;
using System.Globalization;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Other work on the machine: a process for each core that computes until this is disposed, or this process has ended.</summary>
internal sealed class BusyMachine : IDisposable
{
    /// <summary>The argument that makes a process such work.</summary>
    public const string ChildName = "--busy-child";

    private readonly List<Process> _processes = [];

    private BusyMachine()
    {
    }

    public static BusyMachine Start()
    {
        var machine = new BusyMachine();
        for (int core = 0; core < Environment.ProcessorCount; core++)
        {
            machine._processes.Add(Process.Start(ThisProgram.Again(ChildName, Environment.ProcessId.ToString(CultureInfo.InvariantCulture)))!);
        }

        return machine;
    }

    public static int RunChild(string parent)
    {
        using Process watched = Process.GetProcessById(int.Parse(parent, CultureInfo.InvariantCulture));
        while (!watched.HasExited) Thread.SpinWait(10_000_000);
        return 0;
    }

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
    }
}
