namespace MLNet.Gpt.TorchNative;

/// <summary>The library is not one that the mend fits; its message says why.</summary>
public sealed class MendRefusedException(string reason) : Exception(
    $"TorchSharp's native library can't be mended for this system's libstdc++: {reason} Build on a system with GCC 13's libstdc++ or later (Ubuntu 24.04, Debian 13).");
