using System.Runtime.InteropServices;

namespace TorchSharp;

public static partial class torch
{
    internal static bool TryInitializeDeviceType(DeviceType deviceType)
    {
        Native.Load();
        return deviceType != DeviceType.CUDA || Native.ts_cuda_is_available();
    }

    internal static void InitializeDeviceType(DeviceType deviceType)
    {
        Native.Load();
        if (deviceType == DeviceType.CUDA && !Native.ts_cuda_is_available())
        {
            throw new InvalidOperationException(
                $"Torch device type {deviceType} did not initialise on the current machine: this libtorch ({Marshal.PtrToStringUTF8(Native.ts_version())}) finds no CUDA device.");
        }
    }

    internal static Device InitializeDevice(Device? device)
    {
        device ??= CPU;
        InitializeDeviceType(device.type);
        return device;
    }

    public static string __version__
    {
        get
        {
            Native.Load();
            return Marshal.PtrToStringUTF8(Native.ts_version())!;
        }
    }

    public static int get_num_threads() => Native.ts_get_num_threads();

    public static void set_num_threads(int num) => Native.Check(Native.ts_set_num_threads(num));

    public static class cuda
    {
        public static bool is_available()
        {
            TryInitializeDeviceType(DeviceType.CUDA);
            return Native.ts_cuda_is_available();
        }

        public static int device_count()
        {
            TryInitializeDeviceType(DeviceType.CUDA);
            return Native.ts_cuda_device_count();
        }

        public static void manual_seed(long seed)
        {
            TryInitializeDeviceType(DeviceType.CUDA);
            Native.Check(Native.ts_cuda_manual_seed(seed));
        }

        public static void manual_seed_all(long seed)
        {
            TryInitializeDeviceType(DeviceType.CUDA);
            Native.Check(Native.ts_cuda_manual_seed_all(seed));
        }

        public static void synchronize(Device? device = null)
        {
            TryInitializeDeviceType(device?.type ?? DeviceType.CUDA);
            Native.Check(Native.ts_cuda_synchronize(device?.index ?? -1));
        }
    }

    public static class backends
    {
        public static class cuda
        {
            public static class matmul
            {
                public static bool allow_tf32
                {
                    get => Native.ts_get_matmul_allow_tf32();
                    set => Native.Check(Native.ts_set_matmul_allow_tf32(value));
                }
            }
        }
    }
}
