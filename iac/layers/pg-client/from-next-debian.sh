#!/usr/bin/env bash
# The clients of Debian's next release, for the local stack: a major version that this machine's own release lacks, and
# the only one at hand that reads and writes zstd and lz4.
#
#   from-next-debian.sh <pg/<major> directory to make>
#
# The packages are downloaded by an apt with state and sources of its own, verified as always, and unpacked beside the
# system, not into it. Their C library is newer than this machine's and comes along in <directory>/runtime with all
# others; the programs in <directory>/bin start it by path. They need no environment, and LD_LIBRARY_PATH does not
# lead them astray. The shell in between is replaced by the program, so that signals reach it, that of a dying parent
# included.
set -euo pipefail

target=${1:?"the directory to make"}
readonly suite=trixie major=17
readonly mirror=http://deb.debian.org/debian keyring=/usr/share/keyrings/debian-archive-keyring.gpg
readonly programs=(pg_dump pg_dumpall pg_restore)

for tool in apt-get apt-config dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "there is no $tool here" >&2; exit 1; }
done
[ -r "$keyring" ] || { echo "there is no $keyring here" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# apt downloads as a user of its own, who must get in.
chmod 755 "$scratch"

# An apt that knows this one suite, and the system's proxies and certificates. The wrapper scripts in Perl that Debian
# puts before the programs are said to be installed, which saves half of the download.
private_apt() {
    mkdir -p "$scratch"/{etc/{apt.conf,preferences,sources.list}.d,state/lists/partial,cache/archives/partial}
    {
        apt-config dump | grep '^Acquire::' | grep -v '^Acquire::\(IndexTargets\|Languages\|Changelogs\)' || true
        printf '%s\n' "Dir \"$scratch\";" 'Dir::State "state";' "Dir::State::status \"$scratch/status\";" \
            'Dir::Cache "cache";' 'Dir::Etc "etc";' 'Acquire::Languages "none";' \
            'Acquire::Retries "1";' 'Acquire::http::Timeout "15";' 'Acquire::https::Timeout "15";'
    } >"$scratch/apt.conf"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$scratch/etc/sources.list"
    printf '%s\n' 'Package: postgresql-client-common' 'Status: install ok installed' 'Architecture: all' \
        'Multi-Arch: foreign' 'Version: 9999' 'Maintainer: nobody' 'Description: not needed' >"$scratch/status"
}

download() {
    export APT_CONFIG=$scratch/apt.conf
    apt-get --quiet --quiet update -o APT::Update::Error-Mode=any
    apt-get --quiet --quiet --yes --no-install-recommends --download-only install "postgresql-client-$major" >/dev/null
    unset APT_CONFIG
}

unpack() {
    local package
    mkdir "$scratch/root"
    for package in "$scratch"/cache/archives/*.deb; do
        dpkg-deb --extract "$package" "$scratch/root"
    done
}

# Prints the path of every library that a program loads, its C library and the loader included.
libraries_of() {
    local found
    found=$("$loader" --inhibit-cache --library-path "$libraries" --list "$1")
    if grep -v -e "$scratch/root" -e linux-vdso -e ld-linux <<<"$found" >&2; then
        printf 'error: the packages lack libraries of %s\n' "$1" >&2
        return 1
    fi
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' <<<"$found"
}

take() {
    local program library
    mkdir -p "$target/bin" "$target/runtime"
    install -m 755 "$loader" "$target/runtime/loader"
    for program in "${programs[@]}"; do
        install -m 755 "$scratch/root/usr/lib/postgresql/$major/bin/$program" "$target/runtime/$program"
        libraries_of "$target/runtime/$program" | while read -r library; do
            install -m 644 "$library" "$target/runtime/"
        done
        # Under its own name, by which pg_dumpall finds pg_dump.
        cat >"$target/bin/$program" <<'SCRIPT'
#!/bin/sh
runtime=${0%/*}/../runtime
exec "$runtime/loader" --argv0 "$0" --library-path "$runtime" "$runtime/${0##*/}" "$@"
SCRIPT
        chmod 755 "$target/bin/$program"
        env -i "$target/bin/$program" --version >/dev/null
    done
}

private_apt
download
unpack
# One directory, named after the machine's architecture.
libraries=$(echo "$scratch"/root/usr/lib/*-linux-gnu)
loader=$(echo "$libraries"/ld-linux-*.so.*)
rm -rf "$target"
take
