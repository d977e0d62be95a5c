#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# molecule.sh [scenario ...]: runs the whole test sequence of each scenario (default: all of them), one after the other.
set -euo pipefail

export PATH=$PWD/.venv-molecule/bin:$PATH CONTAINERS_CONF=$PWD/.config/molecule/containers.conf
export MOLECULE_GLOB="$PWD/molecule/*/molecule.yml"
# molecule writes an ansible.cfg for each scenario.
unset ANSIBLE_CONFIG

if [ "$(id -u)" != 0 ]; then
    echo "Cannot run containers with systemd as an ordinary user. Run it as root." >&2
    exit 1
fi
for program in podman runc mmdebstrap ssh; do
    if ! command -v "$program" >/dev/null; then
        echo "Cannot find $program. Install it (Debian: apt-get install podman runc netavark aardvark-dns mmdebstrap openssh-client)." >&2
        exit 1
    fi
done
[ "$#" -gt 0 ] || set -- molecule/*/
for scenario in "$@"; do
    molecule test --scenario-name "$(basename "$scenario")"
done
