#!/usr/bin/env bash
# Installs ONNX Runtime's official C# sources and its CPU library (1.29.0) from npm into .cache/npm.
# Needed only where the NuGet feed lacks Microsoft.ML.OnnxRuntime.Managed. Safe to run again: does nothing
# when what eng/npm/package-lock.json names is already there.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source_dir="$root/eng/npm"
target="$root/.cache/npm"
package="$target/node_modules/com.github.asus4.onnxruntime"
stamp="$target/installed.sha256"

wanted="$(sha256sum "$source_dir/package-lock.json" | cut -d' ' -f1)"
if [[ -f "$stamp" && "$(cat "$stamp")" == "$wanted" \
      && -f "$package/Runtime/InferenceSession.shared.cs" && -f "$package/Plugins/Linux/x64/libonnxruntime.so" ]]; then
    echo "ONNX Runtime is already in $target"
    exit 0
fi

if ! command -v npm > /dev/null; then
    echo "fetch-onnxruntime.sh needs npm, which is not on the PATH. On Debian: apt-get install --no-install-recommends npm" >&2
    exit 1
fi

mkdir -p "$target"
rm -f "$stamp"
cp "$source_dir/package.json" "$source_dir/package-lock.json" "$source_dir/.npmrc" "$target/"
echo "Installing ONNX Runtime 1.29.0 (sources and CPU library) from npm into $target"
(cd "$target" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

for file in Runtime/InferenceSession.shared.cs Plugins/Linux/x64/libonnxruntime.so; do
    if [[ ! -f "$package/$file" ]]; then
        echo "npm finished, but $package/$file is missing; delete $target and run this script again." >&2
        exit 1
    fi
done
# The libraries of other systems (360 MB) are of no use to a Linux build.
find "$package/Plugins" -mindepth 1 -maxdepth 1 ! -name Linux -exec rm -rf {} +
echo "$wanted" > "$stamp"
echo "ONNX Runtime is in $target"
