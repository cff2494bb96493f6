#!/usr/bin/env bash
# Brings standins/official-api/ up to date: for every public member of the stand-ins, the line of the official
# package's API listing. Refuses a member that the official listing lacks.
#
#   eng/update-official-api.sh FOLDER
#
# FOLDER holds full listings, NAME.txt or NAME-VERSION.txt an assembly, one member a line as
# tests/Architecture.Tests/Api/ApiListing.cs writes them.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [[ $# -lt 1 || ! -d "$1" ]]; then
    echo "Usage: eng/update-official-api.sh FOLDER [arguments of dotnet test], FOLDER being one with full API listings." >&2
    exit 2
fi
MLNET_GPT_OFFICIAL_API="$(cd "$1" && pwd)"
export MLNET_GPT_OFFICIAL_API
shift
cd "$root"
exec dotnet test tests/Architecture.Tests/MLNet.Gpt.Architecture.Tests.csproj -v minimal -nologo -nodeReuse:false \
    --filter FullyQualifiedName~StandinListingTests "$@"
