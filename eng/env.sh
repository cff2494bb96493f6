# Sourced by the scripts that run tests, examples and benchmarks. Changes this shell's environment only,
# and never a variable that is already set.

export DOTNET_NOLOGO="${DOTNET_NOLOGO:-1}"
export DOTNET_CLI_TELEMETRY_OPTOUT="${DOTNET_CLI_TELEMETRY_OPTOUT:-1}"

# libtorch and the peers choose their thread counts by different rules; here they all get the same.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"
