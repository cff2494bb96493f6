#nullable disable
using System.Globalization;

namespace TorchSharp;

public static partial class torch
{
    public class Device
    {
        public Device(string description)
        {
            string[] parts = description.Split(':');
            type = Parse(parts[0]);
            if (parts.Length == 2) index = int.Parse(parts[1], CultureInfo.InvariantCulture);
        }

        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = index;
        }

        public DeviceType type { get; private set; }

        public int index { get; private set; } = -1;

        public override string ToString()
        {
            if (type == DeviceType.CPU) return "cpu";
            string kind = type.ToString().ToLowerInvariant();
            return index == -1 ? kind : string.Create(CultureInfo.InvariantCulture, $"{kind}:{index}");
        }

        private static DeviceType Parse(string name) => Enum.Parse<DeviceType>(name.ToUpperInvariant());
    }

    private static Device cudaDevice;

    public static Device CUDA => cudaDevice ??= InitializeDevice(new Device(DeviceType.CUDA, -1));

    public static readonly Device CPU;

    // Loads the native library before anything here is used, so that its absence shows as in the original: a
    // TypeInitializationException around the reason.
    static torch() => CPU = InitializeDevice(new Device(DeviceType.CPU, -1));

    public static Device device(string description) => InitializeDevice(new Device(description));
}
