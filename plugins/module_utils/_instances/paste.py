# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A paste file of Glance with one filter more, right after the context of each flavor's pipeline; every other byte stays as it is. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

APPLICATION = "glance-api"
CONTEXT, CONTEXT_FACTORY = "context", "ContextMiddleware.factory"
PIPELINE_FACTORY = "glance.api:pipeline_factory"


class NotDerivable(Exception):
    """Why it cannot be told where the filter belongs; the message is the cause."""


@dataclass(frozen=True)
class Filter:
    name: str
    factory: str
    # Stands above the section that is added.
    comment: str = ""

    @property
    def package(self) -> str:
        return re.split(r"[.:]", self.factory)[0] + "."


@dataclass(frozen=True)
class Option:
    section: str
    name: str
    # Where the words of the value are in the text.
    words: tuple[tuple[int, int], ...]

    def values(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self.words]


def derive(text: str, flavor: str | None, added: Filter) -> str:
    """The file with the filter in the pipeline that Glance takes for this flavor, and in those of the others, so that it holds when the flavor changes.

    Where the flavor is not configured, in those of all flavors that can have it.
    """
    options = list(_options(text))
    sections = set(re.findall(r"^\[([^\]\r\n]+)\]", text, re.MULTILINE))
    _refuse_conflicts(text, sections, options, added)
    ends = set() if flavor is None else {_place(_pipeline(text, sections, options, flavor), text, options)}
    for other in _flavors(sections, options):
        try:
            ends.add(_place(_pipeline(text, sections, options, other), text, options))
        except NotDerivable:
            # A flavor that is not in use may be without a context, like the one that authenticates no user.
            continue
    filtered = text
    for end in sorted(ends, reverse=True):
        filtered = f"{filtered[:end]} {added.name}{filtered[end:]}"
    ending = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith(("\n", "\r")) else ending
    lines = ["", *([added.comment] if added.comment else []), f"[filter:{added.name}]", f"paste.filter_factory = {added.factory}", ""]
    return filtered + gap + ending.join(lines)


def _flavors(sections: set[str], options: Sequence[Option]) -> Iterator[str]:
    """All that Glance may be told to take."""
    for section in sections:
        found = re.fullmatch(rf"(?:pipeline|composite):{APPLICATION}(?:-(.+))?", section)
        if found:
            yield found[1] or ""
    for option in options:
        # Such a composite has the pipeline of each flavor as an option; the names of others are paths.
        if option.section.startswith("composite:") and not option.name.startswith(("/", "paste.")):
            yield "" if option.name == "default" else option.name


def _place(pipeline: Option, text: str, options: Sequence[Option]) -> int:
    """Where the word ends after which the filter belongs."""
    place = [span for span, word in zip(pipeline.words, pipeline.values(text)) if _is_context(word, text, options)]
    if len(place) != 1:
        many = "no filter 'context'" if not place else "several filters that make the context"
        raise NotDerivable(f"the pipeline '{pipeline.name}' of [{pipeline.section}] has {many}, after which a filter knows who asks")
    return place[0][1]


def _refuse_conflicts(text: str, sections: set[str], options: Sequence[Option], added: Filter) -> None:
    by_hand = next((option for option in options if option.name.endswith("filter_factory") and "".join(option.values(text)).startswith(added.package)), None)
    if by_hand is not None or f"filter:{added.name}" in sections:
        where = by_hand.section if by_hand is not None else f"filter:{added.name}"
        raise NotDerivable(f"it has the filter already, in the section [{where}] that this role has not written")


def _pipeline(text: str, sections: set[str], options: Sequence[Option], flavor: str) -> Option:
    """The option whose words are the filters and, last, the application."""
    name, seen = f"{APPLICATION}-{flavor}" if flavor else APPLICATION, set()
    while name not in seen:
        seen.add(name)
        found = _option(options, f"pipeline:{name}", "pipeline")
        if found is not None:
            return found
        composite = f"composite:{name}"
        if composite not in sections:
            break
        factory = _option(options, composite, "paste.composite_factory")
        if factory is not None and factory.values(text) == [PIPELINE_FACTORY]:
            found = _option(options, composite, flavor or "default")
            if found is None:
                raise NotDerivable(f"[{composite}] has no pipeline '{flavor or 'default'}'")
            return found
        root = _option(options, composite, "/")
        if root is None or len(root.words) != 1:
            break
        name = root.values(text)[0]
    raise NotDerivable(f"it has no pipeline for the flavor '{flavor}', neither as [pipeline:{name}] nor behind [composite:{name}]")


def _is_context(word: str, text: str, options: Sequence[Option]) -> bool:
    factory = _option(options, f"filter:{word}", "paste.filter_factory")
    if factory is None:
        return word == CONTEXT
    # UnauthenticatedContextMiddleware would let everybody be an administrator.
    return re.split(r"[.:]", "".join(factory.values(text)))[-2:] == CONTEXT_FACTORY.split(".")


def _option(options: Sequence[Option], section: str, name: str) -> Option | None:
    """The last one of a name counts."""
    return next((option for option in reversed(options) if (option.section, option.name) == (section, name)), None)


def _options(text: str) -> Iterator[Option]:
    """Options as Python's configparser reads them, which paste.deploy uses."""
    section = ""
    current: tuple[str, str, int] | None = None
    words: list[tuple[int, int]] = []
    for line in re.finditer(r"[^\r\n]+", text):
        content = line[0].strip()
        indent = len(line[0]) - len(line[0].lstrip())
        if not content or content[0] in "#;":
            continue
        if current is not None and indent > current[2]:
            words += _words(line[0], line.start())
            continue
        if current is not None:
            yield Option(current[0], current[1], tuple(words))
            current = None
        header = re.match(r"\[([^\]]+)\]", content)
        if header:
            section = header[1]
            continue
        assigned = re.match(r"\s*(?P<name>[^=:]*?)\s*[=:]", line[0])
        if assigned:
            current = section, assigned["name"], indent
            words = _words(line[0][assigned.end() :], line.start() + assigned.end())
    if current is not None:
        yield Option(current[0], current[1], tuple(words))


def _words(part: str, offset: int) -> list[tuple[int, int]]:
    return [(offset + word.start(), offset + word.end()) for word in re.finditer(r"\S+", part)]
