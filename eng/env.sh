# Sourced by the scripts that run tests, examples and benchmarks. Changes this shell's environment only,
# and never a variable that is already set.

export DOTNET_NOLOGO="${DOTNET_NOLOGO:-1}"
export DOTNET_CLI_TELEMETRY_OPTOUT="${DOTNET_CLI_TELEMETRY_OPTOUT:-1}"

# libtorch and the peers choose their thread counts by different rules; here they all get the same.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"

# The peers' OpenBLAS takes its AVX2 kernels on AMD processors, also on those with AVX-512. libtorch's own MKL isn't touched by this.
if [ -z "${OPENBLAS_CORETYPE:-}" ] \
    && grep -q -m1 '^vendor_id.*AuthenticAMD' /proc/cpuinfo 2>/dev/null \
    && grep -q -m1 '^flags.*avx512f.*avx512vl' /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=SkylakeX
fi
