#!/usr/bin/env bash
# Puts the peers' PyTorch 2.6 and onnx (Debian 13's) into a folder of their own, once, and prints the command that runs its Python.
#
#   benchmarks/peers/setup.sh        MLNET_GPT_PEERS: the folder (default ~/.cache/mlnet-gpt/peers)
#
# Needs root, a Debian system and its package debootstrap (installed when missing): three minutes and 2 GB. Nothing else of the
# system changes.
set -euo pipefail

folder="${MLNET_GPT_PEERS:-$HOME/.cache/mlnet-gpt/peers}"
system="$folder/debian13"
ready="$system/.ready" # names what is installed
# Without OpenBLAS a reference BLAS computes, sixteen times slower; torch.compile wants the compiler.
packages="python3-torch python3-numpy python3-setuptools python3-onnx libopenblas0-openmp g++ python3-dev libtorch-dev"
say() { echo "peers: $*" >&2; }

if [[ ! -f "$ready" || "$(cat "$ready")" != "$packages" ]]; then
    if [[ "$(id -u)" -ne 0 ]] || ! command -v apt-get > /dev/null; then
        say "needs root on a Debian system; or set MLNET_GPT_PEER_PYTHON to a Python with torch 2.6 or later, numpy and onnx."
        exit 1
    fi
    if [[ ! -f "$ready" ]]; then
        if ! command -v debootstrap > /dev/null; then
            say "installing debootstrap"
            apt-get update --quiet=2
            DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --quiet=2 debootstrap > /dev/null
        fi
        rm -rf --one-file-system "$system"
        mkdir -p "$folder"
        mirror="$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2> /dev/null || true; } \
            | sed -nE 's/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' | head -n 1)"
        say "Debian 13 into $system"
        debootstrap --variant=minbase --include=ca-certificates trixie "$system" ${mirror:+"$mirror"} > "$folder/setup.log" 2>&1 \
            || { tail -n 20 "$folder/setup.log" >&2; exit 1; }
        for file in /etc/apt/apt.conf.d/*; do
            if grep -qiE 'proxy|https::ca' "$file" 2> /dev/null; then cp "$file" "$system/etc/apt/apt.conf.d/"; fi
        done
        if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then cp /etc/ssl/certs/ca-certificates.crt "$system/etc/ssl/certs/"; fi
    fi
    say "$packages"
    chroot "$system" env DEBIAN_FRONTEND=noninteractive sh -c \
        "apt-get update -q=2 && apt-get install -y --no-install-recommends -q=2 $packages" >> "$folder/setup.log" 2>&1 \
        || { tail -n 20 "$folder/setup.log" >&2; exit 1; }
    echo "$packages" > "$ready"
    say "ready"
fi

# The peers read the repository and write nowhere: the whole file system is bound beneath /host, and paths are given under it.
runner="$folder/python"
cat > "$runner" <<EOF
#!/usr/bin/env bash
# Runs Debian 13's Python with the same environment; /proc, /tmp and the caller's files are the system's own.
set -euo pipefail
exec unshare --mount --propagation private bash -c '
    set -e
    for place in /proc /sys /dev /tmp; do mount --rbind "\$place" "$system\$place"; done
    for place in "\${MLNET_GPT_PEER_FOLDERS:-}"; do
        IFS=:; for one in \$place; do [ -d "\$one" ] || continue; mkdir -p "$system\$one"; mount --bind "\$one" "$system\$one"; done
    done
    exec chroot "$system" env HOME=/tmp PATH=/usr/bin:/bin /usr/bin/python3 "\$@"' python "\$@"
EOF
chmod +x "$runner"
echo "$runner"
