# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The variables of a Kolla-style site as its tool reads them, on the controller, where a library for YAML is always found."""

from __future__ import annotations

from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """YAML with tags that only Ansible knows, such as !vault; what they hold is not looked at."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def load(text: str) -> Any:
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        # The text of the error repeats lines of the file, which may hold secrets.
        raise ValueError(f"line {mark.line + 1}" if mark else "it cannot be read") from None
