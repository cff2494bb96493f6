#!/usr/bin/env bash
# Changes MLNet.Gpt.Core line by line and asks whether its own tests notice (mutation testing, dotnet-stryker).
#
#   eng/mutate.sh [FILE|FOLDER ...]     paths below src/Core; without one: Generation Data Checkpoint Tokenization
#
#   eng/mutate.sh Generation/TokenSampler.cs Data
#
# Prints each change that no test noticed, the share of noticed ones for each file, and one line
# "mutate score=… killed=… survived=… uncovered=… files_below_90=…". Exit code 0 only if every file reaches 90 %, but for the
# changes that docs/testing.md names as making no difference. The tool comes from NuGet into artifacts/ (once); minutes for
# a file, hours for all. MLNET_GPT_MUTATION_THREADS says how many test processes run at the same time (1 unless set).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/eng/env.sh"
version=5.1.0
tool="$root/artifacts/tools/stryker-$version"
output="$root/artifacts/mutation"

if [[ $# -eq 0 ]]; then set -- Generation Data Checkpoint Tokenization; fi
mutate=()
for path in "$@"; do
    path="${path#src/Core/}"
    if [[ -d "$root/src/Core/$path" ]]; then mutate+=(--mutate "${path%/}/**/*.cs")
    elif [[ -f "$root/src/Core/$path" ]]; then mutate+=(--mutate "$path")
    else echo "There is no src/Core/$path." >&2; exit 2
    fi
done

if [[ ! -x "$tool/dotnet-stryker" ]]; then
    dotnet tool install dotnet-stryker --version "$version" --tool-path "$tool"
fi

rm -rf "$output"
mkdir -p "$output"
cd "$root/tests/Core.Tests"
"$tool/dotnet-stryker" --project MLNet.Gpt.Core.csproj --configuration Release "${mutate[@]}" \
    --concurrency "${MLNET_GPT_MUTATION_THREADS:-1}" --reporter json --reporter cleartext --output "$output" --skip-version-check \
    > "$output/log.txt" 2>&1 < /dev/null || { tail -n 40 "$output/log.txt" >&2; exit 1; }
cd "$root"
dotnet run --file eng/MutationSummary.cs -v quiet -- "$output/reports/mutation-report.json" docs/testing.md
