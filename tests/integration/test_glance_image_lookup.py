# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup that finds ids of images, as playbooks use it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, run_plays
from ansible_collections.xenstack.image_services.tests.support.modules import run_module


def looked_up(cloud: Cloud, place: Path, questions: dict[str, tuple[list[str], dict[str, Any]]]) -> dict[str, Any]:
    """What each question is answered with, ids or a sentence, in one run."""
    call = "query('xenstack.image_services.glance_image', *item.value.0, cloud=cloud, **item.value.1)"
    answer = {"ansible.builtin.copy": {"content": "{{ " + call + " | to_json }}", "dest": f"{place}/{{{{ item.key }}}}", "mode": "0600"}}
    failure = {"content": "{{ ansible_failed_result.results | map(attribute='msg', default='') | to_json }}", "dest": f"{place}/failures", "mode": "0600"}
    block = {"block": [{**answer, "loop": "{{ questions | dict2items }}"}], "rescue": [{"ansible.builtin.copy": failure}]}
    run_plays(
        [{"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": [block]}],
        {"questions": questions, "cloud": cloud.auth("alice")["cloud"]},
    ).succeeded()
    failures = json.loads((place / "failures").read_text()) if (place / "failures").exists() else [""] * len(questions)
    return {name: said or json.loads((place / name).read_text()) for name, said in zip(questions, failures, strict=True)}


def test_ids_by_names_and_what_is_refused(cloud: Cloud, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    options = {**cloud.auth("alice"), "src": str(small_disk)}
    one = run_module("glance_image", {**options, "name": image_name}).succeeded()["image"]["id"]
    glance = Connection(cloud.auth("alice")).glance
    twice = f"{image_name} twice"
    made = []
    for _number in range(2):
        new = glance.create({"id": str(uuid.uuid4()), "name": twice, "disk_format": "raw", "container_format": "bare"})["id"]
        glance.upload(new, small_disk.read_bytes(), small_disk.stat().st_size)
        made.append(new)
    queued = glance.create({"id": str(uuid.uuid4()), "name": twice, "disk_format": "raw", "container_format": "bare"})["id"]
    found = looked_up(
        cloud,
        tmp_path,
        {
            "one": ([image_name], {}),
            "several": ([image_name, one], {}),
            "newest": ([twice], {"on_duplicate": "newest"}),
            "twice": ([twice], {}),
            "none": ([f"{image_name} of nobody"], {}),
            "empty": ([""], {}),
        },
    )
    assert found["one"] == [one]
    assert found["several"] == [one, one]
    # Glance keeps whole seconds, so the two may be of the same one.
    assert found["newest"][0] in made
    assert f"images of this name: {', '.join(sorted([*made, queued]))}. Give the id." in found["twice"]
    assert "there is no image of this name or id that the project may see. Check the name and cloud." in found["none"]
    assert "Cannot find image '': the name is empty" in found["empty"]
