#!/usr/bin/env bash
# Copy one major version's clients and their libraries into the layer.
#
#   take-clients.sh <directory with the programs> <pg/<major> directory in the layer> [<search path of libraries>]
#
# The copies are given a run path of their own, so that a program finds its own major version's libraries whatever the
# environment says, and a library its neighbours.
set -euo pipefail

bin_dir=${1:?"the directory with the programs"}
target=${2:?"the directory to fill"}
search_path=${3:-}
readonly programs=(pg_dump pg_dumpall pg_restore)
# What glibc consists of: it must be the running system's, or the program does not even start.
readonly system_libraries='^(linux-vdso|ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libutil|libnsl|libnss_.*|libanl)\.so'

mkdir -p "$target/bin" "$target/lib"

# Prints the name and the path of every library that a program loads.
libraries_of() {
    local found
    found=$(LD_LIBRARY_PATH=$search_path ldd "$1")
    if grep 'not found' <<<"$found" >&2; then
        printf 'error: %s lacks libraries\nHINT: Reinstall the package it comes from.\n' "$1" >&2
        return 1
    fi
    awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' <<<"$found"
}

for program in "${programs[@]}"; do
    install -m 755 "$bin_dir/$program" "$target/bin/$program"
    libraries_of "$bin_dir/$program" | while read -r name path; do
        if [[ ! $name =~ $system_libraries ]] && [ ! -e "$target/lib/$name" ]; then
            install -m 755 "$(readlink -f "$path")" "$target/lib/$name"
        fi
    done
done

for file in "$target"/bin/*; do
    patchelf --set-rpath '$ORIGIN/../lib' "$file"
done
for file in "$target"/lib/*; do
    patchelf --set-rpath '$ORIGIN' "$file"
done

# A program that does not start here is found now, not during a backup.
for program in "${programs[@]}"; do
    env -i "$target/bin/$program" --version >/dev/null
done
