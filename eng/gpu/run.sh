#!/usr/bin/env bash
# Runs the bundle that eng/gpu/bundle.sh made: builds the native library against this machine's PyTorch, runs the
# tests, then trains GPT-2 124M beside PyTorch eager and torch.compile and prints tokens/s and MFU.
#
#   run.sh [--device cuda|cpu] [--tiny] [--tests-only | --benchmark-only] [-- options of the benchmark]
#
#   --device cpu --tiny     checks the bundle itself where there is no GPU
#   -- --batch 64 --micro 32 --steps 30 --datasheet-tflops 989      the benchmark's defaults
#
# PYTHON: the interpreter that has torch (default python3). Needs a C++ compiler; no .NET, no network.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
device=cuda
tiny=()
tests=true
benchmark=true
while [[ $# -gt 0 ]]; do
    case "$1" in
        --device) device="${2:?--device needs cuda or cpu}"; shift ;;
        --tiny) tiny=(--tiny) ;;
        --tests-only) benchmark=false ;;
        --benchmark-only) tests=false ;;
        --help | -h) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        --) shift; break ;;
        *) echo "run: there is no option '$1'; --help lists them." >&2; exit 2 ;;
    esac
    shift
done
if [[ "$device" != cuda && "$device" != cpu ]]; then echo "run: --device is '$device'; it can be cuda or cpu." >&2; exit 2; fi

export PYTHON="${PYTHON:-python3}"
export DOTNET_ROOT="$here/dotnet" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1
export MLNET_GPT_PEER_PYTHON="$PYTHON" OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}" PYTHONUNBUFFERED=1
dotnet="$here/dotnet/dotnet"

echo "== machine"
uname -srm
if command -v nvidia-smi > /dev/null; then nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; fi
"$PYTHON" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda, "GPU:", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none")'

echo "== native library"
"$here/build-shim.sh" "$here/native" "$here/native/libTorchShim.so"
for folder in "$here"/tests/* "$here/benchmarks/program"; do cp "$here/native/libTorchShim.so" "$folder/"; done

failed=0
if [[ "$tests" == true ]]; then
    for name in torch gpu; do
        echo "== tests: $name"
        assembly="$(ls "$here/tests/$name"/MLNet.Gpt.*.Tests.dll)"
        "$dotnet" exec "$assembly" --output Normal --progress off || { echo "run: the tests '$name' failed." >&2; failed=1; }
    done
fi

if [[ "$benchmark" == true ]]; then
    echo "== benchmark"
    cd "$here"
    "$dotnet" exec "$here/benchmarks/program/Benchmarks.dll" gpt2-gpu --device "$device" "${tiny[@]}" "$@" || { echo "run: the benchmark failed." >&2; failed=1; }
fi
exit "$failed"
