#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# venv.sh <directory> <lock> [first|newest]: makes the virtual environment hold exactly what the lock pins.
set -euo pipefail

directory=$1 lock=$2 which=${3:-first}
echo "Setting up $directory from $lock." >&2
uv=$(tests/support/ci/uv.sh)
python=$(tests/support/ci/python.sh "$which")
if [ "$which" = newest ] && "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
    # The newest ansible-core for this Python is the one that all other tests use.
    lock=requirements/test.txt
    echo "The newest Python here is older than 3.12, so $directory is set up from $lock." >&2
fi
if ! "$directory/bin/python" -c '' 2>/dev/null; then
    "$uv" venv --quiet --no-project --clear --relocatable --python "$python" "$directory"
fi
tests/support/ci/fetch.sh "$uv" pip sync --quiet --require-hashes --compile-bytecode --python "$directory/bin/python" "$lock"
case $lock in
    requirements/runtime.txt | requirements/test*.txt | requirements/molecule.txt)
        packages=$("$directory/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        cp tests/support/ci/quick_tasks.py "$packages"
        echo "import quick_tasks" >"$packages/quick_tasks.pth"
        ;;
esac
touch "$directory/.stamp"
