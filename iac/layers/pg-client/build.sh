#!/usr/bin/env bash
# Fill the layer's directory. Chooses where the programs come from; see the Makefile.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
artifacts=${1:?"the directory to fill"}
readonly image=public.ecr.aws/sam/build-provided.al2023:latest

fail() {
    printf 'error: %s\nHINT: %s\n' "$1" "$2" >&2
    exit 1
}

on_amazon_linux() {
    grep -qs '^ID="\?amzn"\?$' /etc/os-release
}

in_docker() {
    local platform=linux/amd64
    [ "$1" = arm64 ] && platform=linux/arm64
    command -v docker >/dev/null || fail \
        'the PostgreSQL clients for Lambda are built inside Amazon Linux, and there is no Docker here' \
        'Install Docker, or run `make deploy` on Amazon Linux 2023.'
    docker run --rm --platform "$platform" -v "$here:/source:ro" -v "$artifacts:/artifacts" "$image" /source/build.sh /artifacts
}

mkdir -p "$artifacts"
if on_amazon_linux; then
    "$here/from-amazon-linux.sh" "$artifacts"
elif [ -n "${PERMAFROST_LAYER_FOR:-}" ]; then
    in_docker "$PERMAFROST_LAYER_FOR"
    exit 0
else
    "$here/from-this-machine.sh" "$artifacts"
fi
"$here/certificates.sh" "$artifacts"

compgen -G "$artifacts/pg/*/bin/pg_dump" >/dev/null || fail \
    'no PostgreSQL clients were found for the layer' \
    'Install them with `apt-get install postgresql-client` as root, then build again.'
printf '    layer: PostgreSQL clients %s\n' "$(cd "$artifacts/pg" && echo *)"
