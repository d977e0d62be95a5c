#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tree.sh <directory>: fills <directory>/ansible_collections/xenstack/image_services with the files that git knows or would add.
# For tools that refuse the link in .build, because they resolve it.
set -euo pipefail

target=$1/ansible_collections/xenstack/image_services
rm -rf "$target"
mkdir -p "$target"
# A file that is deleted but not yet committed is still listed.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar -c --null --files-from=- | tar -x -C "$target"
