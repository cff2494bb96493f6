#!/usr/bin/env bash
# Unpacks the bundle whose pieces lie beside this file and runs it.
#
#   start.sh [options of run.sh]       GPT_GPU_FOLDER: where to unpack (default: the folder unpacked beside it)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${GPT_GPU_FOLDER:-$here/unpacked}"
python="${PYTHON:-python3}"

(cd "$here" && sha256sum --check --quiet SHA256SUMS) || { echo "start: a piece of the bundle is missing or damaged; copy it again." >&2; exit 1; }
if [[ ! -f "$folder/SHA256SUMS" ]] || ! cmp -s "$here/SHA256SUMS" "$folder/SHA256SUMS"; then
    rm -rf "$folder"
    mkdir -p "$folder"
    if command -v xz > /dev/null; then
        cat "$here"/mlnet-gpt-gpu.tar.xz.* | tar -C "$folder" -xJf -
    else
        cat "$here"/mlnet-gpt-gpu.tar.xz.* | "$python" -W ignore -c 'import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode="r|xz").extractall(sys.argv[1])' "$folder"
    fi
    cp "$here/SHA256SUMS" "$folder/"
fi
exec "$folder/mlnet-gpt-gpu/run.sh" "$@"
