#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Locks requirements/*.in and what roles install again: run it on purpose (make lock), read the difference, commit it.
# lock.sh check: refuses locks that are not what their sources ask for, and changes nothing; newer releases are no matter.
set -euo pipefail

mode=${1:-upgrade}
uv=$(tests/support/ci/uv.sh)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
stale=()
for source in requirements/*.in roles/*/files/requirements-*.in; do
    target=${source%.in}.txt
    case $source in
        *-newest.in) oldest_python=3.12 ;;
        *) oldest_python=3.11 ;;
    esac
    options=(--upgrade)
    # What is pinned stays, as long as the source lets it.
    [ "$mode" = upgrade ] || options=()
    [ "$mode" = upgrade ] || cp "$target" "$scratch/lock.txt"
    "$uv" pip compile --quiet "${options[@]}" --universal --python-version "$oldest_python" --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file "$scratch/lock.txt" "$source" >/dev/null
    # The lock carries the licence lines of its source.
    { sed -n '/^# SPDX-/p' "$source"; cat "$scratch/lock.txt"; } >"$scratch/new.txt"
    if [ "$mode" = upgrade ]; then
        cp "$scratch/new.txt" "$target"
    elif ! diff -u "$target" "$scratch/new.txt"; then
        stale+=("$target")
    fi
    rm "$scratch/lock.txt"
done
if [ "${#stale[@]}" -gt 0 ]; then
    echo "Cannot take lock ${stale[*]}: it is not what its source asks for. Run make lock." >&2
    exit 1
fi
