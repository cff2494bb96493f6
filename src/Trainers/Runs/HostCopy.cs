using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Brings a batch's numbers to a device: to a GPU through pinned memory, so that nobody waits for what the device has still to do.</summary>
internal static class HostCopy
{
    /// <summary>(n) int64.</summary>
    public static Tensor To(Device device, long[] values) => Move(tensor(values), device);

    /// <summary>(n) float32.</summary>
    public static Tensor To(Device device, float[] values) => Move(tensor(values), device);

    private static Tensor Move(Tensor values, Device device) =>
        device.type == DeviceType.CPU ? values : values.pin_memory().to(device, non_blocking: true);
}
