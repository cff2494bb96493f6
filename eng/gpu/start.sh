#!/usr/bin/env bash
# Unpacks the bundle whose pieces lie beside this file and runs it; without the pieces of ONNX Runtime, what needs them is left out.
#
#   start.sh [options of run.sh]       GPT_GPU_FOLDER: where to unpack (default: the folder unpacked beside it)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${GPT_GPU_FOLDER:-$here/unpacked}"
python="${PYTHON:-python3}"

parts=(mlnet-gpt-gpu)
if [[ -f "$here/onnxruntime.sha256" ]]; then parts+=(onnxruntime); fi
sums="$(for part in "${parts[@]}"; do cat "$here/$part.sha256"; done)"
(cd "$here" && sha256sum --check --quiet - <<< "$sums") || { echo "start: a piece of the bundle is missing or damaged; copy it again." >&2; exit 1; }
if [[ ! -f "$folder/sums" || "$(cat "$folder/sums")" != "$sums" ]]; then
    # What an earlier unpacking left goes; nothing else does.
    if [[ -e "$folder" && ! -f "$folder/.mlnet-gpt-gpu" && ! -f "$folder/sums" && ( ! -d "$folder" || -n "$(ls -A "$folder")" ) ]]; then
        echo "start: '$folder' holds something else than this bundle; name another folder in GPT_GPU_FOLDER." >&2
        exit 1
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    touch "$folder/.mlnet-gpt-gpu"
    for part in "${parts[@]}"; do
        if command -v xz > /dev/null; then
            cat "$here/$part".tar.xz.* | tar -C "$folder" -xJf -
        else
            cat "$here/$part".tar.xz.* | "$python" -W ignore -c 'import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode="r|xz").extractall(sys.argv[1])' "$folder"
        fi
    done
    printf '%s\n' "$sums" > "$folder/sums"
fi
exec "$folder/mlnet-gpt-gpu/run.sh" "$@"
