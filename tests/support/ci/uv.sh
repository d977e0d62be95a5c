#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the path of a working uv; where PATH has none, it is installed into .venv-uv from its own hash-locked requirements.
set -euo pipefail

readonly OWN=.venv-uv
readonly LOCK=roles/wsgi_service/files/requirements-uv.txt

works() { "$1" pip sync --help 2>/dev/null | grep -q -- --require-hashes; }

if works uv; then
    command -v uv
    exit
fi
if ! works "$OWN/bin/uv"; then
    python=$(tests/support/ci/python.sh)
    if ! "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            echo "Cannot make a virtual environment: $python has no venv module. Install it (Debian: apt-get install python3-venv), or put uv on PATH." >&2
            exit 1
        fi
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update >&2
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends python3-venv >&2
    fi
    "$python" -m venv --clear "$OWN"
    "$OWN/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK" >&2
fi
echo "$PWD/$OWN/bin/uv"
