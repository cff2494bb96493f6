# Sourced by the scripts that run tests, examples and benchmarks. Changes this shell's environment only,
# and never a variable that is already set.

export DOTNET_NOLOGO="${DOTNET_NOLOGO:-1}"
export DOTNET_CLI_TELEMETRY_OPTOUT="${DOTNET_CLI_TELEMETRY_OPTOUT:-1}"

# libtorch and OpenMP otherwise choose by their own rules, which differ between builds of libtorch.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"

# Debian's OpenBLAS takes its AVX2 kernels on AMD processors, also on those with AVX-512, where its AVX-512
# kernels run a float32 matrix product about twice as fast. Intel processors are recognised as they are.
if [ -z "${OPENBLAS_CORETYPE:-}" ] \
    && grep -q -m1 '^vendor_id.*AuthenticAMD' /proc/cpuinfo 2>/dev/null \
    && grep -q -m1 '^flags.*avx512f.*avx512vl' /proc/cpuinfo \
    && readlink -f /usr/lib/x86_64-linux-gnu/libblas.so.3 2>/dev/null | grep -q openblas; then
    export OPENBLAS_CORETYPE=SkylakeX
fi
