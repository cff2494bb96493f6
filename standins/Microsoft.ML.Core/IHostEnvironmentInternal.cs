namespace Microsoft.ML.Runtime;

/// <summary>What an environment tells components beyond its public face.</summary>
internal interface IHostEnvironmentInternal : IHostEnvironment
{
    string TempFilePath { get; set; }

    bool FallbackToCpu { get; set; }

    int? GpuDeviceId { get; set; }
}
