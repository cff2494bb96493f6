namespace MLNet.Gpt;

/// <summary>A device was asked for that this machine, or the native library in use, does not have.</summary>
public sealed class DeviceUnavailableException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="device">The device that was asked for.</param>
    /// <param name="reason">Why it can't be had.</param>
    /// <param name="remedy">What the user can do about it.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public DeviceUnavailableException(GptDevice device, string reason, string remedy, Exception? innerException = null)
        : base($"Device {device} can't be used: {reason} {remedy}", innerException) => Device = device;

    /// <summary>The device that was asked for.</summary>
    public GptDevice Device { get; }
}
