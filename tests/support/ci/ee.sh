#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds an execution environment with the collection that make package has built, and sees in it, as its ordinary user and without a
# network, that documentation, playbooks and the libraries of the modules are there.
set -euo pipefail

readonly IMAGE=localhost/image-services-ee:latest
work=$PWD/.build/ee
export PATH=$PWD/.venv-ee/bin:$PATH CONTAINERS_CONF=$PWD/.config/molecule/containers.conf
if [ "$(id -u)" != 0 ]; then
    echo "Cannot build the execution environment as an ordinary user: its base image is built by root. Run sudo make ee." >&2
    exit 1
fi
tests/support/ci/packages.sh podman runc mmdebstrap netavark iptables aardvark-dns
tests/support/ci/image.sh bookworm
rm -rf "$work"
mkdir -p "$work"
cp .config/ee/execution-environment.yml "$work"
cp .build/package/xenstack-image_services-*.tar.gz "$work/collection.tar.gz"
# The build trusts and asks what this machine trusts and asks.
printf '[global]\n%s\n' "${PIP_INDEX_URL:+index-url = $PIP_INDEX_URL}" >"$work/pip.conf"
mounts="--volume ${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}:/etc/ssl/certs/ca-certificates.crt:ro --volume $work/pip.conf:/etc/pip.conf:ro"
ansible-builder build --verbosity 2 --file "$work/execution-environment.yml" --context "$work/context" --tag "$IMAGE" --container-runtime podman \
    --extra-build-cli-args "--network host $mounts"
podman run --rm --network none --interactive "$IMAGE" bash -euo pipefail <<'SMOKE'
ours=xenstack.image_services
ansible-doc --type module --list "$ours" | grep -c "^$ours"
ansible-playbook --syntax-check --inventory localhost, "$ours.site" "$ours.import_image" >/dev/null </dev/null
# Modules that find their libraries get as far as the network, which is not there.
fails_with() {
    local code=$1 module=$2 said
    said=$(ansible localhost --module-name "$ours.$module" --args "$3" </dev/null 2>/dev/null) || true
    grep -q "\"code\": \"$code\"" <<<"$said" || { echo "$module: not $code, but: $said"; exit 1; }
}
fails_with connection xen_vdi_info '{"hostname": "127.0.0.1:1", "username": "somebody", "password": "a-secret-word"}'
fails_with ConnectFailure glance_image_info \
    '{"auth": {"auth_url": "http://127.0.0.1:1/v3", "username": "somebody", "password": "a-secret-word", "project_name": "none"}}'
python3 -c 'import jmespath, sys; __import__("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")'
SMOKE
podman image rm "$IMAGE" >/dev/null
echo "The execution environment works."
