#!/usr/bin/env bash
# Builds the native half of standins/TorchSharp against the libtorch of this machine:
#   .cache/native/libTorchShim.so
# LIBTORCH names a folder that holds libtorch's include/ and lib/: a libtorch, or the torch folder of PyTorch's
# pip package (with CUDA where that has it). Unset, Debian's libtorch-dev is used.
# Running it again does nothing while the sources and libtorch are the same.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source_folder=$root/standins/TorchSharp/native
cache=$root/.cache/native
library=$cache/libTorchShim.so
libtorch=${LIBTORCH:-}

if [[ -n $libtorch ]]; then
    libtorch=$(realpath -m -- "$libtorch")
    torch_cpu=$libtorch/lib/libtorch_cpu.so
    header=$libtorch/include/torch/csrc/api/include/torch/torch.h
else
    torch_cpu=$(ls /usr/lib/*/libtorch_cpu.so /usr/local/lib/libtorch_cpu.so 2>/dev/null | head -n 1 || true)
    header=/usr/include/torch/csrc/api/include/torch/torch.h
fi
if [[ ! -e $torch_cpu || ! -e $header ]]; then
    echo "build-native: no libtorch ${libtorch:+in '$libtorch'}: '${torch_cpu:-libtorch_cpu.so}' or '$header' is missing." >&2
    echo "build-native: on Debian, apt-get install libtorch-dev libopenblas0-openmp; elsewhere set LIBTORCH to a libtorch folder" >&2
    echo "build-native: or to the torch folder of PyTorch's pip package (python3 -c 'import torch; print(torch.__path__[0])')." >&2
    exit 1
fi
for tool in cmake c++; do
    if ! command -v "$tool" >/dev/null; then
        echo "build-native: $tool is missing; on Debian, apt-get install cmake g++ make." >&2
        exit 1
    fi
done

# What the library depends on: the sources, and which libtorch (path, size and time of its main library).
stamp=$( { cd "$source_folder" && sha256sum -- *.cpp *.h CMakeLists.txt; stat -L -c '%n %s %Y' "$torch_cpu"; c++ --version | head -n 1; } | sha256sum | cut -d ' ' -f 1)
if [[ -f $library && -f $cache/stamp && $(<"$cache/stamp") == "$stamp" ]]; then
    exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ -f $library && -f $cache/stamp && $(<"$cache/stamp") == "$stamp" ]]; then
    exit 0
fi

echo "build-native: building libTorchShim.so against $torch_cpu (a minute or two)"
build=$cache/build
# A build folder remembers the libtorch that it was made for.
if [[ ! -f $build/libtorch || $(<"$build/libtorch") != "$torch_cpu" ]]; then
    rm -rf "$build"
fi
mkdir -p "$build"
if ! { cmake -S "$source_folder" -B "$build" -DCMAKE_BUILD_TYPE=Release -DLIBTORCH="$libtorch" &&
       cmake --build "$build" --parallel "$(nproc)"; } >"$cache/build.log" 2>&1; then
    tail -n 40 "$cache/build.log" >&2
    echo "build-native: failed; the whole log is $cache/build.log" >&2
    exit 1
fi
printf '%s' "$torch_cpu" >"$build/libtorch"
# Renamed into place, so that a program that has the old one open keeps it.
cp "$build/libTorchShim.so" "$library.new"
mv "$library.new" "$library"
printf '%s' "$stamp" >"$cache/stamp"
