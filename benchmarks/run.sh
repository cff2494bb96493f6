#!/usr/bin/env bash
# Runs one benchmark beside its peer and prints both figures.
#
#   benchmarks/run.sh list               the benchmarks, a line each
#   benchmarks/run.sh NAME [options]     runs one; its last line is "NAME ours=… peer=… ratio=… unit=…"
#
# Does its own set-up, PyTorch for the peers that need it among it. Both sides run in the environment that eng/env.sh sets.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/.." && pwd)"
known="$here/benchmarks.txt"

name="${1:-}"
if [[ "$name" == list ]]; then
    cat "$known"
    exit 0
fi
if [[ -z "$name" ]] || ! cut -d' ' -f1 "$known" | grep -qxF -- "$name"; then
    {
        if [[ -z "$name" ]]; then echo "Usage: benchmarks/run.sh NAME [options], or 'list'."; else echo "There is no benchmark '$name'."; fi
        echo "The benchmarks are:"
        sed 's/^/  /' "$known"
    } >&2
    exit 2
fi

source "$root/eng/env.sh"
# These have no peer in Python.
if [[ ! "$name" =~ ^(tokenize|constrained|fuzz|frozen|rlhf|quantize|batch-rows|save-load|heads|app)$ && -z "${MLNET_GPT_PEER_PYTHON:-}" ]]; then
    MLNET_GPT_PEER_PYTHON="$("$here/peers/setup.sh")"
    export MLNET_GPT_PEER_PYTHON
fi
exec dotnet run -c Release --project "$root/benchmarks/Benchmarks" -- "$@"
