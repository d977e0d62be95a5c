#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# packages.sh <program>[:<Debian package>] ...: makes sure that the programs are there.
set -euo pipefail

missing=()
for wanted in "$@"; do
    # Some packages bring helpers of a program only, which are not on PATH.
    command -v "${wanted%%:*}" >/dev/null || [ -e "/usr/lib/podman/${wanted%%:*}" ] || missing+=("${wanted#*:}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Cannot run without ${missing[*]}. Let root install it (Debian: apt-get install ${missing[*]})." >&2
    exit 1
fi
echo "Installing ${missing[*]}." >&2
export DEBIAN_FRONTEND=noninteractive
# Silent when it works, everything it said when it does not.
said=$({ apt-get -q -o DPkg::Lock::Timeout=300 update &&
    apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"; } 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
}
