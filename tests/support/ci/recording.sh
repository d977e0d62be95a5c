#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Records the demo in a copy of this checkout, whose path everybody may see, as docs/site/demo.svg.
set -euo pipefail

place=${TMPDIR:-/tmp}/image_services
work=$(mktemp -d "${TMPDIR:-/tmp}/image-services-recording.XXXXXX")
mkdir "$place"
unset MAKEFLAGS MAKELEVEL MFLAGS
trap 'make -C "$place" clean >/dev/null 2>&1 || true; rm -rf "$work" "$place"' EXIT

tests/support/ci/tree.sh "$work"
cp -a "$work/ansible_collections/xenstack/image_services/." "$place"
make -C "$place" .venv/.stamp
(cd "$place" && .venv/bin/python tests/support/ci/recording.py "$work/demo.svg")
cp "$work/demo.svg" docs/site/demo.svg
