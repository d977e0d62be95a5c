#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the path of a Python to build environments with: the first usable one, or (python.sh newest) the newest one.
set -euo pipefail

readonly OLDEST=3.11
readonly PROBE='import sys
if sys.version_info[:2] >= tuple(map(int, sys.argv[1].split("."))):
    print("%02d%03d" % sys.version_info[:2], sys.executable)'

# "<comparable version> <path>" of every usable interpreter, in order of preference. A version manager's shim may exist and yet not run.
usable() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3 \
        "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/3.*/bin/python3; do
        [ -z "$candidate" ] || "$candidate" -I -c "$PROBE" "$OLDEST" 2>/dev/null || true
    done
}

if [ "${1:-first}" = newest ]; then
    found=$(usable | sort -s -k1,1 -r | sed -n 1p)
else
    found=$(usable | sed -n 1p)
fi
if [ -z "$found" ]; then
    echo "Cannot find Python $OLDEST or newer on PATH. Install it, or name one: make PYTHON=/path/to/python3." >&2
    exit 1
fi
echo "${found#* }"
