#!/usr/bin/env bash
# Makes this checkout ready to build: picks the package stack and installs what that stack needs.
#
#   eng/setup.sh [--with-peers]
#
#   --with-peers   also installs Debian's PyTorch and NumPy, which the benchmarks compare with
#
# Expects Debian 12 (or a system with the same packages) and the .NET 10 SDK. Safe to run again: what is
# there already is left alone. Needs root or sudo only to install Debian packages; without either it prints
# their names and stops.
#
# The package stack is
#   official   the NuGet packages Microsoft.ML, Microsoft.ML.Tokenizers, TorchSharp and Microsoft.ML.OnnxRuntime;
#   standins   the projects under standins/ in their place, for feeds that lack them.
# A throw-away restore finds out which. GPT_PACKAGE_STACK=official or =standins in the environment decides instead.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
choice="$root/eng/local.props"
official_packages=(Microsoft.ML Microsoft.ML.Tokenizers TorchSharp Microsoft.ML.OnnxRuntime.Managed)
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# Restores a project with the official packages into the ordinary package folder.
# Sets `stack` to official or standins; stops when the feed can't be asked.
probe_feed() {
    local probe log reference missing
    mkdir -p "$root/.cache"
    # Inside the checkout, so that NuGet reads the configuration that the build reads.
    probe="$(mktemp -d "$root/.cache/feed-probe.XXXXXX")"
    {
        echo '<Project Sdk="Microsoft.NET.Sdk">'
        echo '  <PropertyGroup><TargetFramework>net10.0</TargetFramework><NuGetAudit>false</NuGetAudit></PropertyGroup>'
        echo '  <ItemGroup>'
        for reference in "${official_packages[@]}"; do echo "    <PackageReference Include=\"$reference\" />"; done
        echo '  </ItemGroup>'
        echo '</Project>'
    } > "$probe/FeedProbe.csproj"
    # The versions come from Directory.Packages.props; the build's other properties aren't wanted here.
    if log="$(DOTNET_CLI_UI_LANGUAGE=en dotnet restore "$probe/FeedProbe.csproj" -nodeReuse:false \
            -p:ImportDirectoryBuildProps=false -p:ImportDirectoryBuildTargets=false 2>&1)"; then
        rm -rf "$probe"
        stack=official
        say "The NuGet feed carries the official packages: they are used."
        return
    fi
    rm -rf "$probe"

    # NU1301: a source can't be reached. NU1101: no such package. NU1102: not this version.
    if grep -q 'NU1301' <<< "$log"; then
        if [[ -f "$choice" ]]; then
            stack=standins
            say "The NuGet feed can't be reached. Keeping the earlier choice: stand-ins (eng/local.props)."
            return
        fi
        grep -m1 'NU1301' <<< "$log" >&2
        fail "The NuGet feed can't be reached, so there is no telling whether it carries the official packages. Check the network and the sources ('dotnet nuget list source'), or decide with GPT_PACKAGE_STACK=official or GPT_PACKAGE_STACK=standins."
    fi
    missing="$(sed -nE 's/.*NU110[12]: Unable to find package ([^ ]+)( |\.( |$)).*/\1/p' <<< "$log" | sed 's/\.$//' | sort -u | paste -sd ' ')"
    if [[ -n "$missing" ]]; then
        stack=standins
        say "The NuGet feed doesn't carry these official packages: ${missing// /, }. The projects under standins/ take their place."
        return
    fi
    echo "$log" >&2
    fail "The throw-away restore failed for another reason than a missing package (above). Mend it, or decide with GPT_PACKAGE_STACK=official or GPT_PACKAGE_STACK=standins."
}

# eng/local.props is how Directory.Build.props learns of the stack; official is its default.
write_choice() {
    if [[ "$stack" == official ]]; then
        rm -f "$choice"
        return
    fi
    local text='<Project><PropertyGroup><GptPackageStack>standins</GptPackageStack></PropertyGroup></Project>'
    if [[ ! -f "$choice" || "$(cat "$choice")" != "$text" ]]; then echo "$text" > "$choice"; fi
}

packages=()
want() { # want PACKAGE WHY
    if [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" != installed ]]; then
        packages+=("$1")
        say "needs the Debian package $1: $2"
    fi
}
want_command() { # want_command COMMAND PACKAGE WHY
    if ! command -v "$1" > /dev/null; then want "$2" "$3"; fi
}

install_packages() {
    if [[ ${#packages[@]} -eq 0 ]]; then return; fi
    local command="apt-get install --yes --no-install-recommends ${packages[*]}"
    local as_root=()
    if [[ "$(id -u)" -ne 0 ]]; then
        # Ask for a password only where somebody can type it.
        if command -v sudo > /dev/null && { sudo -n true 2> /dev/null || [[ -t 0 ]]; }; then
            as_root=(sudo)
        else
            fail "Installing packages needs root. Have an administrator run this, then start again:
    $command"
        fi
    fi
    if ! command -v apt-get > /dev/null; then
        fail "This system has no apt-get. Install the equivalents of these Debian packages, then start again: ${packages[*]}"
    fi
    say "installing: ${packages[*]}"
    "${as_root[@]}" apt-get update --quiet=2 \
        || fail "apt-get update failed: the package lists can't be brought up to date. Check the network, then start again."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command --quiet=2 > /dev/null < /dev/null \
        || fail "Installing the packages failed (above). What was tried: $command"
}

with_peers=false
for argument in "$@"; do
    case "$argument" in
        --with-peers) with_peers=true ;;
        *) fail "Unknown option '$argument'; the only one is --with-peers." ;;
    esac
done

# 1. The SDK.
if ! command -v dotnet > /dev/null; then
    fail "The .NET 10 SDK is missing: 'dotnet' isn't on the PATH. https://dot.net/download says how to install it."
fi
sdk="$(cd "$root" && dotnet --version 2> /dev/null)" \
    || fail "No installed .NET SDK fits global.json (10.0.100 or a later feature band of .NET 10). Installed: $(cd / && dotnet --list-sdks | paste -sd ';')"
say ".NET SDK $sdk"

# 2. The package stack.
stack=
case "${GPT_PACKAGE_STACK:-}" in
    '') probe_feed ;;
    official | standins) stack="$GPT_PACKAGE_STACK"; say "Package stack '$stack', as GPT_PACKAGE_STACK says." ;;
    *) fail "GPT_PACKAGE_STACK is '$GPT_PACKAGE_STACK'; it can be 'official' or 'standins'." ;;
esac

write_choice

# 3. What that stack needs from the system.
if [[ "$stack" == standins ]]; then
    want_command cmake cmake "builds the native part of standins/TorchSharp"
    want_command g++ g++ "compiles the native part of standins/TorchSharp"
    want_command make make "runs that build"
    if [[ -z "${LIBTORCH:-}" ]]; then
        want libtorch-dev "libtorch 1.13 for the CPU, which standins/TorchSharp calls (LIBTORCH=folder takes another)"
        want libopenblas0-openmp "a fast BLAS for libtorch; the reference one is sixteen times slower"
    fi
    want_command npm npm "brings ONNX Runtime's official sources and library, which are on npm too"
fi
if [[ "$with_peers" == true ]]; then
    want python3-torch "the PyTorch that the benchmarks compare with"
    want python3-numpy "reads the data for it"
    want libopenblas0-openmp "a fast BLAS for PyTorch, so that the comparison is fair"
fi
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | awk 'NF && !seen[$0]++')
install_packages

# 4. What the stand-ins need inside this checkout (.cache/, ignored by git).
if [[ "$stack" == standins ]]; then
    "$root/eng/fetch-onnxruntime.sh"
    "$root/eng/build-native.sh"
fi
say "ready (package stack: $stack)"
