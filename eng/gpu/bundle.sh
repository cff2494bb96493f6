#!/usr/bin/env bash
# Makes a bundle that tests and measures this checkout on an x86-64 Linux machine with an NVIDIA GPU and PyTorch's pip
# package, and with no .NET SDK and no network: the .NET runtime, the published GPU tests and benchmarks, TorchSharp's own
# native library, the PyTorch peers, and apart from these, in pieces that may be left out, ONNX Runtime for CUDA. libtorch is
# not in it: it is that PyTorch's; nor are CUDA's libraries, which both take from it.
#
#   eng/gpu/bundle.sh OUT [PIECE]      OUT: the folder to write; PIECE: the size of a piece in MB (default 60)
#
# On the other machine:   OUT/start.sh [options]      unpacks beside itself and runs; run.sh --help lists the options
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
if [[ $# -lt 1 || $# -gt 2 || "$1" == -* ]]; then
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
out="$(realpath -m -- "$1")"
piece="${2:-60}"
if [[ -e "$out" && -n "$(ls -A "$out")" ]]; then
    echo "bundle: '$out' isn't empty; name another folder." >&2
    exit 1
fi
if [[ ! "$piece" =~ ^[1-9][0-9]*$ ]]; then
    echo "bundle: PIECE is '$piece'; it must be a whole number of MB, 1 or more." >&2
    exit 2
fi
for tool in dotnet tar xz split sha256sum; do
    command -v "$tool" > /dev/null || { echo "bundle: $tool is missing." >&2; exit 1; }
done
dotnet_root="$(dirname "$(readlink -f "$(command -v dotnet)")")"
runtime="$(ls -d "$dotnet_root"/shared/Microsoft.NETCore.App/10.* | sort -V | tail -n 1)"
fxr="$(ls -d "$dotnet_root"/host/fxr/10.* | sort -V | tail -n 1)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bundle="$work/mlnet-gpt-gpu"
mkdir -p "$bundle/dotnet/shared/Microsoft.NETCore.App" "$bundle/dotnet/host/fxr" "$bundle/native" "$bundle/benchmarks"

# 1. The runtime: the host, and the shared framework.
cp "$dotnet_root/dotnet" "$bundle/dotnet/"
cp -r "$fxr" "$bundle/dotnet/host/fxr/"
cp -r "$runtime" "$bundle/dotnet/shared/Microsoft.NETCore.App/"

# 2. Tests and benchmarks without the packages that bring libtorch and ONNX Runtime, in outputs of their own: the checkout's stay as they are.
publish() { # publish PROJECT FOLDER [PROPERTY...]
    echo "bundle: publishing $1"
    dotnet publish "$root/$1" -c Release -o "$bundle/$2" --artifacts-path "$work/artifacts" -v quiet -nologo -nodeReuse:false \
        -p:RunsTorch=false -p:RunsOnnxRuntime=false -p:GptTestPrograms=true -p:UseAppHost=false "${@:3}" \
        > "$work/publish.log" 2>&1 || { tail -n 20 "$work/publish.log" >&2; exit 1; }
    rm -f "$bundle/$2"/*.pdb "$bundle/$2"/*.dbg "$bundle/$2"/MLNet.Gpt.*.xml
    (cd "$bundle/$2" && rm -rf CodeCoverage alpine ubuntu macos arm64 x64 x86)   # what measures coverage, for all systems
}
publish tests/Gpu.Tests/MLNet.Gpt.Gpu.Tests.csproj tests/gpu -p:RunsOnnxRuntime=true -p:GptDevice=cuda
mkdir -p "$work/onnxruntime/mlnet-gpt-gpu/onnxruntime"
mv "$bundle/tests/gpu"/{libonnxruntime.so,libonnxruntime_providers_shared.so,libonnxruntime_providers_cuda.so} "$work/onnxruntime/mlnet-gpt-gpu/onnxruntime/"
rm -f "$bundle/tests/gpu/libonnxruntime_providers_tensorrt.so"
publish benchmarks/Benchmarks/Benchmarks.csproj benchmarks/program
cp -r "$root/benchmarks/peers" "$bundle/benchmarks/"

# 3. TorchSharp's native library as its package has it, and the program that makes it fit an older libstdc++ where there is one.
publish eng/TorchNative/TorchNative.csproj native/program
mv "$bundle/tests/gpu/libLibTorchSharp.so" "$bundle/native/"
rm "$bundle/benchmarks/program/libLibTorchSharp.so"
cp "$root/eng/gpu/run.sh" "$root/eng/gpu/libtorch.py" "$bundle/"

# 4. Packed, in pieces that a transfer with a size limit takes.
mkdir -p "$out"
pack() { # pack FOLDER NAME
    tar -C "$1" -cf - mlnet-gpt-gpu | xz -6 -T0 | split -b "${piece}000000" -d - "$out/$2.tar.xz."
    (cd "$out" && sha256sum "$2".tar.xz.* > "$2.sha256")
}
pack "$work" mlnet-gpt-gpu
pack "$work/onnxruntime" onnxruntime
cp "$root/eng/gpu/start.sh" "$out/"
echo "bundle: $out"
(cd "$out" && du -h --apparent-size -- *)
