#!/usr/bin/env bash
# Runs the main job: trains a small GPT on real English text, exports it to ONNX and lets an ML.NET pipeline write with it.
#
#   ./quickstart.sh [options]      the options are the example's own; --help lists them
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$root/eng/env.sh"
exec dotnet run -c Release --project "$root/examples/QuickStart" -- "$@"
