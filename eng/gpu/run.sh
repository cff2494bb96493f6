#!/usr/bin/env bash
# Runs the bundle that eng/gpu/bundle.sh made: puts TorchSharp over the libtorch of this machine's PyTorch and says what of
# it loads, runs the tests, then trains GPT-2 124M beside PyTorch eager and torch.compile and prints tokens/s and MFU, then
# decodes with it on ONNX Runtime beside PyTorch, where ONNX Runtime's part of the bundle is there.
#
#   run.sh [--device cuda|cpu] [--tiny] [--libtorch FOLDER] [--tests-only | --benchmark-only] [-- options of the benchmark]
#
#   --device cpu --tiny     checks the bundle itself where there is no GPU
#   --libtorch FOLDER       the folder of another libtorch's libraries, in place of PyTorch's own (torch/lib)
#   -- --batch 64 --micro 32 --steps 30 --datasheet-tflops 989      the defaults of gpt2-gpu, the training benchmark
#
# PYTHON: the interpreter that has torch (default python3; 3.10 or later). Needs no compiler, no .NET, no network.
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
        --libtorch) LIBTORCH="$(realpath -- "${2:?--libtorch needs a folder}")"; export LIBTORCH; shift ;;
        --tests-only) benchmark=false ;;
        --benchmark-only) tests=false ;;
        --help | -h) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        --) shift; break ;;
        *) echo "run: there is no option '$1'; --help lists them." >&2; exit 2 ;;
    esac
    shift
done
if [[ "$device" != cuda && "$device" != cpu ]]; then echo "run: --device is '$device'; it can be cuda or cpu." >&2; exit 2; fi

export PYTHON="${PYTHON:-python3}"
export DOTNET_ROOT="$here/dotnet" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}" PYTHONUNBUFFERED=1
dotnet="$here/dotnet/dotnet"

echo "== machine"
uname -srm
if command -v nvidia-smi > /dev/null; then nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "run: nvidia-smi fails here."; fi

# The peers get the library path as it was.
printf '#!/usr/bin/env bash\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "${LD_LIBRARY_PATH:-}" "${MLNET_GPT_PEER_PYTHON:-$PYTHON}" > "$here/peer-python"
chmod +x "$here/peer-python"
export MLNET_GPT_PEER_PYTHON="$here/peer-python"
"$MLNET_GPT_PEER_PYTHON" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda, "GPU:", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none")'

echo "== native library"
# Links beside each program; what those libraries need in turn is found by LD_LIBRARY_PATH, since a link's $ORIGIN is the program's folder.
LD_LIBRARY_PATH="$("$PYTHON" "$here/libtorch.py" folders)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
programs=("$here/tests/gpu" "$here/benchmarks/program")
for folder in "${programs[@]}"; do "$dotnet" exec "$here/native/program/TorchNative.dll" "$here/native/libLibTorchSharp.so" "$folder/libLibTorchSharp.so"; done
"$PYTHON" "$here/libtorch.py" link "${programs[@]}"
"$PYTHON" "$here/libtorch.py" check "${programs[0]}" libLibTorchSharp.so || { echo "run: TorchSharp's native library doesn't load over this libtorch." >&2; exit 1; }
"$dotnet" exec "$here/benchmarks/program/Benchmarks.dll" libtorch-probe --device "$device" || { echo "run: TorchSharp doesn't compute over this libtorch, which may be of another version than the one that it was built for (2.10)." >&2; exit 1; }

if [[ -d "$here/onnxruntime" ]]; then
    for folder in "${programs[@]}"; do ln -sf "$here"/onnxruntime/*.so "$folder/"; done
else
    echo "run: ONNX Runtime's part of the bundle is not there; its tests are inconclusive, and decode-gpu is left out."
fi

failed=0
if [[ "$tests" == true ]]; then
    echo "== tests"
    if [[ "$device" == cpu ]]; then export MLNET_GPT_GPU_TESTS=cpu; fi
    "$dotnet" exec "$here/tests/gpu/MLNet.Gpt.Gpu.Tests.dll" --output Normal --progress off || { echo "run: the tests failed." >&2; failed=1; }
fi

if [[ "$benchmark" == true ]]; then
    echo "== benchmarks"
    cd "$here"
    "$dotnet" exec "$here/benchmarks/program/Benchmarks.dll" gpt2-gpu --device "$device" "${tiny[@]}" "$@" || { echo "run: gpt2-gpu failed." >&2; failed=1; }
    if [[ -d "$here/onnxruntime" ]]; then
        "$dotnet" exec "$here/benchmarks/program/Benchmarks.dll" decode-gpu --device "$device" "${tiny[@]}" || { echo "run: decode-gpu failed." >&2; failed=1; }
    fi
fi
exit "$failed"
