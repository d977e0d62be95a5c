#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the collection, installs it into an empty environment, reads there the documentation of everything in it, and installs its simulated pool.
set -euo pipefail

work=$PWD/.build/package
PATH=$PWD/.venv-lint/bin:$PATH
rm -rf "$work"
mkdir -p "$work/home"
tests/support/ci/tree.sh "$work/source"
ansible-galaxy collection build --output-path "$work" "$work/source/ansible_collections/xenstack/image_services"

cd "$work"
export HOME=$work/home ANSIBLE_HOME=$work/home/.ansible ANSIBLE_COLLECTIONS_PATH=$work/installed
unset ANSIBLE_CONFIG
ansible-galaxy collection install --offline --collections-path installed xenstack-image_services-*.tar.gz
ansible-galaxy collection verify --offline xenstack.image_services
for kind in module filter role; do
    mapfile -t names < <(ansible-doc --type "$kind" --list --json xenstack.image_services | python -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")')
    ansible-doc --type "$kind" "${names[@]}" >/dev/null
    printf '%s: %s\n' "$kind" "${names[*]}"
done

# The simulated pool is for those who write other clients as well.
python -m venv simulator
simulator/bin/pip install --quiet --disable-pip-version-check ./installed/ansible_collections/xenstack/image_services/roles/xapi_simulator/files
simulator/bin/xapi-simulator --listen 127.0.0.1:0 --state simulator/state --password secret --no-tls --detach
simulator/bin/xapi-simulator --stop --state simulator/state
