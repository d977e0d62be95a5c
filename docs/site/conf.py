# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the documentation site, which tests/support/ci/docs.sh builds."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

_galaxy = yaml.safe_load((HERE.parents[1] / "galaxy.yml").read_text(encoding="utf-8"))

project = f"{_galaxy['namespace']}.{_galaxy['name']}"
author = ", ".join(_galaxy["authors"])
copyright = author
version = release = _galaxy["version"]
title = html_title = html_short_title = f"{project} {version}"

extensions = ["sphinx_antsibull_ext", "sphinx.ext.intersphinx", "diagrams", "ansible_labels"]
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"

html_theme = "sphinx_ansible_theme"
html_theme_options = {"display_version": True, "vcs_pageview_mode": "blob"}
html_context = {"display_github": False}
html_show_sphinx = False
html_copy_source = False
html_use_index = False
html_use_modindex = False
