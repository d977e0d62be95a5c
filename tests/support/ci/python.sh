#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the path of a Python to build environments with: the first usable one, or (python.sh newest) the newest one.
set -euo pipefail

readonly OLDEST=3.11
# "<comparable version> <path>", or "! <path> <what it lacks>". An interpreter may have been built without some of its C libraries, or not find them.
readonly PROBE='import sys
if sys.version_info[:2] >= tuple(map(int, sys.argv[1].split("."))):
    lacking = []
    for part in sys.argv[2:]:
        module, library = part.split(":")
        try:
            __import__(module)
        except ImportError:
            lacking.append(f"{module} ({library})")
    known = "%02d%03d" % sys.version_info[:2]
    print(f"! {sys.executable}: it lacks {chr(44).join(lacking)}" if lacking else f"{known} {sys.executable}")
else:
    print("! %s: it is Python %d.%d" % (sys.executable, *sys.version_info[:2]))'
readonly PARTS=(bz2:libbz2 ctypes:libffi lzma:liblzma pyexpat:libexpat sqlite3:libsqlite3 ssl:OpenSSL zlib:zlib)

# Every interpreter, in order of preference. A version manager's shim may exist and yet not run, and what it builds without profile-guided
# optimisation is a third slower than the distribution's own.
candidates() {
    local candidate own=
    ! /usr/bin/python3 -I -c 'import ensurepip, venv' 2>/dev/null || own=/usr/bin/python3
    for candidate in "${PYTHON:-}" $own python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3 \
        "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/3.*/bin/python3; do
        [ -z "$candidate" ] || "$candidate" -I -c "$PROBE" "$OLDEST" "${PARTS[@]}" 2>/dev/null || true
    done
}

usable() { candidates | grep -v '^!'; }

if [ "${1:-first}" = newest ]; then
    found=$(usable | sort -s -k1,1 -r | sed -n 1p) || true
else
    found=$(usable | sed -n 1p) || true
fi
if [ -z "$found" ]; then
    echo "Cannot find a usable Python $OLDEST or newer. Install it (Debian: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3." >&2
    candidates | sort -u | sed -n 's/^! \(.*\)/Cannot use \1./p' >&2
    exit 1
fi
echo "${found#* }"
