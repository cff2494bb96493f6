#!/usr/bin/env bash
# Writes the documentation as a web site: these pages, and the API reference from the XML comments of src/, with docfx.
#
#   eng/api-reference.sh [OUT]          default: artifacts/site; open OUT/api/MLNet.Gpt.html
#
# Needs the .NET 10 SDK, and the package feed for docfx, which is kept in artifacts/tools.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source eng/env.sh
out="$(realpath -m "${1:-artifacts/site}")"
docfx=2.81.0

if [[ ! -x artifacts/tools/docfx || "$(artifacts/tools/docfx --version)" != "$docfx"* ]]; then
    rm -rf artifacts/tools
    dotnet tool install docfx --version "$docfx" --tool-path artifacts/tools
fi

dotnet build src/Trainers -c Release -v quiet -nologo -nodeReuse:false
rm -rf artifacts/api
artifacts/tools/docfx metadata eng/docfx.json
artifacts/tools/docfx build eng/docfx.json --output "$out"
echo "$out/api/MLNet.Gpt.html"
