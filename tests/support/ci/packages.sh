#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# packages.sh <program>[:<Debian package>] ...: makes sure that the programs are there; "python" stands for a Python that
# environments can be built with. All that is missing is said, or installed, at once. No service of a package is started.
set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d

# Some packages bring helpers of a program only, or servers in many versions, which are not on PATH.
is_there() {
    command -v "$1" >/dev/null || [ -e "/usr/lib/podman/$1" ] || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# Adds what a usable Python lacks to the missing packages; what no package mends is added to the complaints.
look_at_python() {
    local python
    if ! python=$(tests/support/ci/python.sh 2>&1); then
        # Debian's own Python may be new enough and only not be installed.
        if can_install && [ ! -e /usr/bin/python3 ]; then
            missing+=(python3 python3-venv)
        else
            complaints+=("$python")
        fi
    elif ! command -v uv >/dev/null && ! "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then
        missing+=(python3-venv)
    fi
}

missing=() complaints=()
for wanted in "$@"; do
    if [ "$wanted" = python ]; then
        look_at_python
    else
        is_there "${wanted%%:*}" || missing+=("${wanted#*:}")
    fi
done
if [ "${#missing[@]}" -gt 0 ] && ! can_install; then
    complaints+=("Cannot run without ${missing[*]}. Let root install it (Debian: apt-get install ${missing[*]}).")
fi
if [ "${#complaints[@]}" -gt 0 ]; then
    printf '%s\n' "${complaints[@]}" >&2
    exit 1
fi
[ "${#missing[@]}" -gt 0 ] || exit 0
echo "Installing ${missing[*]}." >&2
export DEBIAN_FRONTEND=noninteractive
# What starts services asks this file first; one installation at a time, so that none takes away the file of another.
exec 9>/run/image-services-packages.lock
flock 9
if ! [ -e "$POLICY" ]; then
    trap 'rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi
# Silent when it works, everything it said when it does not.
said=$({ apt-get -q -o DPkg::Lock::Timeout=300 update &&
    apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"; } 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
}
