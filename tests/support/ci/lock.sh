#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Locks requirements/*.in and what roles install again. Run it on purpose (make lock), read the difference, commit it.
set -euo pipefail

uv=$(tests/support/ci/uv.sh)
for source in requirements/*.in roles/*/files/requirements-*.in; do
    target=${source%.in}.txt
    case $source in
        *-newest.in) oldest_python=3.12 ;;
        *) oldest_python=3.11 ;;
    esac
    "$uv" pip compile --quiet --upgrade --universal --python-version "$oldest_python" --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file "$target" "$source" >/dev/null
    # The lock carries the licence lines of its source.
    { sed -n '/^# SPDX-/p' "$source"; cat "$target"; } >"$target.new"
    mv "$target.new" "$target"
done
