# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Files of the host that a Kolla-style site has to show to Glance's container, and the line that makes it do so. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._core.errors import cannot
from ..paths import normal
from .globals_file import Load, line_of
from .site import Mount, declared_mounts, extra_variable, holding, is_template, variable_to_set, variables


@dataclass(frozen=True)
class Mounting:
    findings: tuple[str, ...]
    # What the running container does not see yet, and will after the next deployment.
    pending: tuple[str, ...] = ()


def plan_mounts(
    wanted: Sequence[tuple[str, str]], container: str, mounts: Sequence[Mount] | None, globals_file: str, files: Mapping[str, str], load: Load
) -> Mounting:
    """``wanted`` are paths on the host and in the container, ``mounts`` those of the running one."""
    try:
        values, origin = variables(files, load)
    except ValueError as exc:
        return Mounting((str(cannot("read", "file", globals_file, f"it is no YAML ({exc})", "Correct it")),))
    declared = declared_mounts(values)
    missing = [pair for pair in wanted if not _shows(pair, declared) and not _shows(pair, mounts or ())]
    if not missing:
        return Mounting((), tuple(inside for source, inside in wanted if mounts is not None and not _shows((source, inside), mounts)))
    name = extra_variable(values)
    entries = values.get(name) if name else None
    # Whoever sets the variable takes its defaults away, so they are repeated.
    kept = [str(entry) for entry in entries] if isinstance(entries, list) else []
    variable = variable_to_set(name)
    line = line_of(variable, [*kept, *(f"{source}:{inside}:ro" for source, inside in missing)])
    where = origin.get(variable, globals_file)
    advice = f"Write this line to {where} and run this again: {line}"
    if is_template(entries) or any(is_template(entry) for entry in kept):
        advice = f"{name} is a template, so only you can extend it: have it mount what this line would: {line}"
    cause = f"nothing mounts {' and '.join(repr(source) for source, _inside in missing)} of the host into it"
    # A colon ends the sentence, so that the line can be copied without a full stop behind it.
    return Mounting((str(cannot("use", "container", container, cause, advice)).removesuffix("."),))


def _shows(pair: tuple[str, str], mounts: Sequence[Mount]) -> bool:
    source, inside = pair
    mount = holding(inside, mounts)
    return mount is not None and mount.host_path(inside) == normal(source)
