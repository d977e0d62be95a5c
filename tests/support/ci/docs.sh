#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the documentation site in .build/docs: the guides, and the reference of modules, filters and roles. A warning is an error.
set -euo pipefail

site=$PWD/.build/docs
work=$PWD/.build/docs-work
export PATH=$PWD/.venv-docs/bin:$PATH HOME=$PWD/.build/home
python tests/support/ci/picture.py check
rm -rf "$site" "$work"
mkdir -p "$work/rst" "$HOME"
# antsibull-docs writes into no directory that others can write to.
chmod go-w "$work/rst"
cp docs/site/index.rst "$work/rst"
antsibull-docs --config-file docs/site/antsibull-docs.cfg collection --use-current --fail-on-error --dest-dir "$work/rst" xenstack.image_services
sphinx-build -b html --conf-dir docs/site --doctree-dir "$work/doctrees" --fail-on-warning --keep-going --quiet "$work/rst" "$site"
echo "The site is in $site/index.html."
