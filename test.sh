#!/usr/bin/env bash
# Builds everything and runs every test.
#
#   ./test.sh [arguments of dotnet test]
#
#   ./test.sh --filter FullyQualifiedName~Tokenizer      only the tests whose names contain "Tokenizer"
#
# Needs the .NET 10 SDK. Ends with one line, "N passed, N failed, N skipped", and exit code 0 only if something ran and
# nothing failed. Tests that need the tinyshakespeare text look for tinyshakespeare.txt in the folder that MLNET_GPT_TESTDATA
# names, and are skipped, with the reason said, without it. So are those of the serving example's page without a Chromium
# (docs/testing.md).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$root"
results="$root/artifacts/test-results"
source eng/env.sh

echo "build: MLNet.Gpt.sln (Release)"
dotnet build MLNet.Gpt.sln -c Release -v quiet -nologo -nodeReuse:false
echo "build: done"

rm -rf "$results"
mkdir -p "$results"
broken=()
for project in tests/*.Tests/*.csproj; do
    name="$(basename "$project" .csproj)"
    echo "test: $name"
    started=$SECONDS
    # One assembly at a time: each uses all cores itself. A test that hangs is ended after five minutes.
    status=0
    DOTNET_CLI_UI_LANGUAGE=en dotnet test "$project" -c Release --no-build -nologo -v quiet -nodeReuse:false \
        --results-directory "$results" --logger "trx;LogFileName=$name.trx" \
        --blame-hang-timeout 5m --blame-hang-dump-type none \
        "$@" > "$results/$name.log" 2>&1 < /dev/null || status=$?
    if [[ $status -ne 0 ]]; then broken+=("$name"); fi
    # The runner's own line on the assembly, such as "Passed!  - Failed: 0, Passed: 38, Skipped: 0, Total: 38, …".
    counts="$(sed -nE 's/^(Passed|Failed|Skipped)! +- (.*), Duration: .*/\2/p' "$results/$name.log" | tail -n 1)"
    echo "test: $name took $((SECONDS - started)) s (${counts:-nothing ran})"
done

dotnet run --file eng/TestSummary.cs -v quiet -- "$results" "${broken[@]}"
