# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""words.py [<root>]: finds words that words.toml holds, in tracked files, and prints what to write instead."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

WORDS = Path(__file__).with_suffix(".toml")
# The words are named here, and in the test that finds them.
EXCEPT = (":!tests/support/ci/words.toml", ":!tests/unit/support/test_words.py", ":!LICENSE", ":!LICENSES", ":!CHANGELOG*", ":!changelogs/changelog.yaml")


@dataclass(frozen=True)
class Word:
    pattern: re.Pattern[str]
    files: tuple[str, ...]
    write: str


def words_of(data: Mapping[str, Any]) -> list[Word]:
    return [Word(re.compile(entry["find"], re.IGNORECASE), tuple(data["files"][entry.get("files", "texts")]), entry["write"]) for entry in data["word"]]


def findings(path: str, text: str, words: Sequence[Word]) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for word in words:
            for match in word.pattern.finditer(line):
                yield f"{path}:{number}: '{match.group()}': write {word.write}"


def tracked(root: Path, patterns: Sequence[str]) -> list[str]:
    # A star in a pattern stays within one directory.
    globs = [f":(glob){pattern}{end}" for pattern in patterns for end in ("", "/**")] if patterns != (".",) else ["."]
    listed = subprocess.run(["git", "ls-files", "-z", "--", *globs, *EXCEPT], cwd=root, check=True, stdout=subprocess.PIPE).stdout.decode()
    return [path for path in listed.split("\0") if path and (root / path).is_file() and not (root / path).is_symlink()]


def main(root: Path) -> int:
    by_files: dict[tuple[str, ...], list[Word]] = {}
    for word in words_of(tomllib.loads(WORDS.read_text(encoding="utf-8"))):
        by_files.setdefault(word.files, []).append(word)
    count = 0
    for patterns, words in by_files.items():
        for path in tracked(root, patterns):
            try:
                text = (root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            for finding in findings(path, text, words):
                count += 1
                print(finding)
    if count:
        print(f"Cannot accept texts: they have {count} words that tests/support/ci/words.toml holds. Write what it gives instead.", file=sys.stderr)
    return min(count, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
