#!/usr/bin/env bash
# Builds libTorchShim.so against the libtorch of this machine's PyTorch. With CMake where there is one, else with the
# C++ compiler alone.
#
#   build-shim.sh SOURCES OUTPUT        PYTHON: the interpreter that has torch (default python3); CXX: the compiler
#                                       GPT_NO_CMAKE=1 takes the compiler alone in any case
set -euo pipefail

sources="$(realpath -- "$1")"
output="$(realpath -m -- "$2")"
python="${PYTHON:-python3}"
cxx="${CXX:-c++}"
command -v "$cxx" > /dev/null || cxx="g++"
command -v "$cxx" > /dev/null || { echo "build-shim: no C++ compiler; set CXX to one." >&2; exit 1; }

# The pip package carries headers and libraries; a distribution's python3-torch leaves them to libtorch-dev.
torch="$("$python" -c 'import torch; print(torch.__path__[0])')" || { echo "build-shim: '$python' has no torch; set PYTHON to an interpreter that has." >&2; exit 1; }
if [[ -f "$torch/include/torch/csrc/api/include/torch/torch.h" && -e "$torch/lib/libtorch_cpu.so" ]]; then
    include="$torch/include"; lib="$torch/lib"; libtorch="$torch"
elif [[ -f /usr/include/torch/csrc/api/include/torch/torch.h ]]; then
    include=/usr/include; lib="$(dirname "$(ls /usr/lib/*/libtorch_cpu.so /usr/local/lib/libtorch_cpu.so 2> /dev/null | head -n 1)")"; libtorch=""
else
    echo "build-shim: no libtorch headers in '$torch/include' nor in /usr/include." >&2
    exit 1
fi

build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT
mkdir -p "$(dirname "$output")"
if [[ -z "${GPT_NO_CMAKE:-}" ]] && command -v cmake > /dev/null && command -v make > /dev/null; then
    echo "build-shim: CMake, $cxx, $lib"
    if ! { cmake -S "$sources" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$(command -v "$cxx")" -DLIBTORCH="$libtorch" \
           && cmake --build "$build" --parallel "$(nproc)"; } > "$build/log" 2>&1; then
        tail -n 40 "$build/log" >&2
        exit 1
    fi
else
    # The same as CMakeLists.txt: C++20 from libtorch 2.9 on, the ABI of std::string that libtorch was built with.
    echo "build-shim: $cxx alone, $lib"
    standard="$("$python" -c 'import torch; v = tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2]); print("c++20" if v >= (2, 9) else "c++17")')"
    abi="$("$python" -c 'import torch; print(int(torch.compiled_with_cxx11_abi()))')"
    flags=(-std="$standard" -O2 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -D_GLIBCXX_USE_CXX11_ABI="$abi"
           -isystem "$include" -isystem "$include/torch/csrc/api/include")
    printf '%s\n' "$sources"/*.cpp | xargs -P "$(nproc)" -I{} sh -c '"$0" "$@" -c "{}" -o "'"$build"'/$(basename "{}" .cpp).o"' "$cxx" "${flags[@]}"
    libraries=("$lib/libtorch.so" "$lib/libtorch_cpu.so" "$lib/libc10.so")
    for library in libtorch_cuda.so libc10_cuda.so; do
        if [[ -e "$lib/$library" ]]; then libraries+=("$lib/$library"); fi
    done
    # torch_cuda registers its kernels when it is loaded; nothing refers to it by name.
    "$cxx" -shared -o "$build/libTorchShim.so" "$build"/*.o -Wl,--no-undefined -Wl,--allow-shlib-undefined \
        -Wl,--no-as-needed "${libraries[@]}" -Wl,--as-needed -Wl,-rpath,"$lib"
fi
cp "$build/libTorchShim.so" "$output.new"
mv "$output.new" "$output"
