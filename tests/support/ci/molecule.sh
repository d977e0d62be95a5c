#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# molecule.sh [scenario ...]: runs the whole test sequence of each scenario (default: all of them), one after the other.
set -euo pipefail

export PATH=$PWD/.venv-molecule/bin:$PATH CONTAINERS_CONF=$PWD/.config/molecule/containers.conf
export MOLECULE_GLOB="$PWD/molecule/*/molecule.yml"
[ -t 1 ] || export NO_COLOR=1 ANSIBLE_NOCOLOR=1 COLUMNS=160
# molecule writes an ansible.cfg for each scenario.
unset ANSIBLE_CONFIG

if [ "$(id -u)" != 0 ]; then
    echo "Cannot run containers with systemd as an ordinary user. Run it as root." >&2
    exit 1
fi
# netavark calls iptables without depending on it.
tests/support/ci/packages.sh podman runc mmdebstrap netavark iptables aardvark-dns ssh:openssh-client
[ "$#" -gt 0 ] || set -- molecule/*/molecule.yml
for scenario in "$@"; do
    molecule test --scenario-name "$(basename "${scenario%/molecule.yml}")"
done
