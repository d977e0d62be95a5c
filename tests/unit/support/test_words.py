# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lint of words finds the private sense of a word, and not the ordinary one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tomllib

SCRIPT = Path(__file__).parents[2] / "support/ci/words.py"


@pytest.fixture(scope="module")
def words() -> ModuleType:
    spec = importlib.util.spec_from_file_location("words_lint", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def found(words: ModuleType, line: str) -> list[str]:
    entries = words.words_of(tomllib.loads(SCRIPT.with_suffix(".toml").read_text(encoding="utf-8")))
    return list(words.findings("docs/some.md", f"first\n{line}\n", entries))


@pytest.mark.parametrize(
    "line",
    [
        "The role proves that it works.",
        "Set glance_store_extras.",
        "How to work on it stands in docs.",
        "It was half made.",
        "The whole disk is read.",
        "The run goes on with the next image.",
        "A plugin of ours.",
        "Written anew by the role.",
        "Nobody asks for it.",
        "The image lies in that store.",
        "A foreign plugin is kept.",
        "This variable counts as a secret.",
        "See O(replaced) of the module.",
    ],
)
def test_a_private_word_is_found_with_its_place(words: ModuleType, line: str) -> None:
    first, *_more = found(words, line)
    assert first.startswith("docs/some.md:2: '")
    assert ": write " in first


@pytest.mark.parametrize(
    "line",
    [
        "The reader improves it.",
        "It has a foreign key.",
        "The content is not whole sectors.",
        "Count the images of a store, as a total count.",
        "NFS treats root as nobody (root_squash).",
        "A standing order stands for a value.",
        "The snapshot_to_glance playbook takes xen_pool, and keeps __snapshot_to_glance_pool.",
        "Made by hand on the way home.",
    ],
)
def test_an_ordinary_sentence_passes(words: ModuleType, line: str) -> None:
    assert found(words, line) == []


def test_only_tracked_texts_are_read(words: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["README.md", "docs/deep/er/page.md", "roles/one/files/package/own.py", "roles/one/tasks/main.yml"]
    for path in (*texts, "tests/unit/own.py", "untracked.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("It is proved.\n", encoding="utf-8")
    (tmp_path / "docs/image.bin").write_bytes(b"\xff\xfeproved")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "README.md", "docs", "roles", "tests"], cwd=tmp_path, check=True)
    assert words.main(tmp_path) == 1
    said = capsys.readouterr()
    assert sorted(line.partition(":")[0] for line in said.out.splitlines()) == texts
    assert "4 words" in said.err
    for path in texts:
        (tmp_path / path).write_text("It is verified.\n", encoding="utf-8")
    assert words.main(tmp_path) == 0
