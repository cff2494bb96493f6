#!/usr/bin/env bash
# Takes the public API of src/ as it is now for the approved one: rewrites tests/Architecture.Tests/approved/.
# Look at the difference before committing it: each line of it is a decision.
#
#   eng/approve-api.sh [arguments of dotnet test]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
MLNET_GPT_APPROVE_API=1 dotnet test tests/Architecture.Tests/MLNet.Gpt.Architecture.Tests.csproj -v minimal -nologo -nodeReuse:false \
    --filter FullyQualifiedName~PublicApiTests "$@"
git diff --stat -- tests/Architecture.Tests/approved
