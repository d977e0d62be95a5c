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
        tests/support/ci/packages.sh ensurepip:python3-venv >&2
    fi
    "$python" -m venv --clear "$OWN"
    tests/support/ci/fetch.sh "$OWN/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK"
fi
echo "$PWD/$OWN/bin/uv"
