#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# packages.sh <program>[:<Debian package>] ...: makes sure that the programs are there. No service of a package is started.
set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d

# Some packages bring helpers of a program only, or servers in many versions, which are not on PATH.
is_there() {
    command -v "$1" >/dev/null || [ -e "/usr/lib/podman/$1" ] || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing=()
for wanted in "$@"; do
    is_there "${wanted%%:*}" || missing+=("${wanted#*:}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Cannot run without ${missing[*]}. Let root install it (Debian: apt-get install ${missing[*]})." >&2
    exit 1
fi
echo "Installing ${missing[*]}." >&2
export DEBIAN_FRONTEND=noninteractive
# What starts services asks this file first; one installation at a time, so that none takes away the file of another.
exec 9>/tmp/image-services-packages.lock
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
