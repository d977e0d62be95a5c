# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a Kolla-style site has to show to Glance's container."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_config import AROUND, override
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.mounts import plan_mounts
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.site import container_mounts
from ansible_collections.xenstack.image_services.plugins.plugin_utils.site_variables import load

GLOBALS = "/etc/kolla/globals.yml"
WANTED = [("/etc/kolla/aware", "/etc/kolla/aware"), ("/etc/kolla/aware/x.pth", "/venv/site-packages/x.pth")]
BOTH = '"/etc/kolla/aware:/etc/kolla/aware:ro", "/etc/kolla/aware/x.pth:/venv/site-packages/x.pth:ro"'
SHOWN = [{"Source": source, "Destination": inside, "RW": False} for source, inside in WANTED]


def site(variables: str, mounts: list[dict[str, Any]] | None = None, text: str = "", settings: str = "") -> dict[str, Any]:
    found = override(text, settings)
    mounting = plan_mounts(WANTED, "glance_api", None if mounts is None else container_mounts(mounts), GLOBALS, {GLOBALS: variables}, load)
    findings = [*([found.fault] if found.fault else []), *mounting.findings]
    return {"text": found.text, "own": found.own, "findings": findings, "pending": list(mounting.pending)}


def test_what_the_variables_mount_is_there_after_the_next_deployment() -> None:
    found = site(f"glance_extra_volumes: [{BOTH}]\n", [])
    assert (found["findings"], found["pending"]) == ([], [inside for _source, inside in WANTED])
    assert site(f"glance_extra_volumes: [{BOTH}]\n", SHOWN)["pending"] == []


def test_what_the_running_container_has_is_enough() -> None:
    """Another tool or the inventory may have mounted it."""
    assert site("", SHOWN)["findings"] == []


LINES = {
    "nothing": ("", f"Write this line to {GLOBALS} and run this again: glance_extra_volumes: [{BOTH}]"),
    "others": ('glance_extra_volumes: ["/srv:/srv"]\n', f'glance_extra_volumes: ["/srv:/srv", {BOTH}]'),
    "of the API alone": ('glance_api_extra_volumes: ["/srv:/srv"]\n', f'glance_api_extra_volumes: ["/srv:/srv", {BOTH}]'),
    "of every container": ('default_extra_volumes: ["/srv:/srv"]\n', f'glance_extra_volumes: ["/srv:/srv", {BOTH}]'),
    "a template": ("glance_extra_volumes: '{{ ours }}'\n", "glance_extra_volumes is a template, so only you can extend it"),
    "one of two": ('glance_extra_volumes: ["/etc/kolla/aware:/etc/kolla/aware:ro"]\n', f"glance_extra_volumes: [{BOTH}]"),
    "from elsewhere": (
        'glance_extra_volumes: ["/srv/x.pth:/venv/site-packages/x.pth", "/etc/kolla:/etc/kolla"]\n',
        "nothing mounts '/etc/kolla/aware/x.pth' of the host",
    ),
    "no YAML": ("a: [\n", f"Cannot read file '{GLOBALS}': it is no YAML (line 2). Correct it."),
}


@pytest.mark.parametrize("case", LINES)
def test_the_sentence_has_the_line_to_write(case: str) -> None:
    variables, expected = LINES[case]
    [sentence] = site(variables, [])["findings"]
    assert expected in sentence


def test_the_block_comes_and_goes_among_the_lines_of_others() -> None:
    own = "# mine\n[DEFAULT]\ndebug = true\n"
    settings = '\n[paste_deploy]\nconfig_file = /a\n\n[glance_instance_aware]\ninstallations = project:a{{b=1\nservice_roles = "a"\n'
    written = site("", SHOWN, own, settings)["text"]
    assert written.startswith(own + AROUND[0])
    # Braces would begin a template for the site, and it takes quotes off.
    assert "project:a{{ '{' }}{b=1" in written
    again = site("", SHOWN, written, settings)
    assert (again["text"], again["own"]) == (written, own)
    assert site("", SHOWN, written)["text"] == own
    assert "are not there once each" in site("", SHOWN, own + AROUND[0] + "\n")["findings"][0]
