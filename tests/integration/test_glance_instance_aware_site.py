# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role glance_instance_aware on a Kolla-style site: mounts, override, apply command, and the proof with a real Glance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.aware import A, relations, version
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import Run, run_roles
from ansible_collections.xenstack.image_services.tests.support.site import Site, site_around

OWN = "# Kept by the operator\n[image_format]\ndisk_formats = raw,qcow2\n"


@dataclass(frozen=True)
class AwareSite:
    site: Site
    home: Path
    # Where the interpreter of the container looks for packages.
    pth: Path
    variables: dict[str, Any]

    @property
    def line(self) -> str:
        mounts = (f"{self.home}:{self.home}:ro", f"{self.home / self.pth.name}:{self.pth}:ro")
        return "glance_extra_volumes: [" + ", ".join(f'"{mount}"' for mount in mounts) + "]"

    def run(self, *arguments: str, **changes: Any) -> Run:
        return run_roles(["glance_instance_aware"], {**self.variables, **changes}, *arguments)


@pytest.fixture
def aware_site(cloud: Cloud, tmp_path: Path) -> Iterator[AwareSite]:
    glance = cloud.base / "glance"
    [packages] = (glance / "venvs").glob("*/lib/python*/site-packages")
    with site_around(cloud, tmp_path / "kolla") as site:
        template = (glance / "config" / "glance-stores.conf").read_text() + "\n[paste_deploy]\nflavor = keystone\n"
        for path in (site.directory / "template.conf", site.merged):
            path.write_text(template)
        settings = json.loads((site.directory / "settings.json").read_text())
        programs = {"python3": str(glance / "current" / "bin" / "python"), "cat": "cat"}
        container = {**settings["container"], "programs": programs, "paths": {"/etc/glance": str(glance / "config")}}
        site.settings(container=container)
        site.containers(glance_api={**container, "mounts": settings["mounts"], "running": True})
        home = site.data / "aware"
        variables = {name.replace("glance_stores_", "glance_instance_aware_"): value for name, value in site.variables.items() if "reserved" not in name}
        variables["glance_instance_aware_home"] = str(home)
        variables["glance_instance_aware_installations"] = [{"kind": "any", "uuid": A}]
        found = AwareSite(site, home, packages / "image_services_extensions.pth", variables)
        try:
            yield found
        finally:
            found.pth.unlink(missing_ok=True)


def refusal(run: Run) -> str:
    assert run.returncode != 0, run.output
    assert "Traceback" not in run.output
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def test_from_a_plain_site_to_a_proved_filter_and_back(cloud: Cloud, aware_site: AwareSite) -> None:
    site = aware_site.site
    site.override.write_text(OWN)
    said = refusal(aware_site.run())
    assert f"nothing mounts '{aware_site.home}' and '{aware_site.home / aware_site.pth.name}' of the host into it" in said
    assert f"Write this line to {site.globals} and run this again: {aware_site.line}" in said
    assert (site.applied(), site.override.read_text(), aware_site.home.exists()) == (0, OWN, False)

    with site.globals.open("a") as stream:
        stream.write(aware_site.line + "\n")
    # What the engine does at the mount.
    aware_site.pth.symlink_to(aware_site.home / aware_site.pth.name)
    checked = aware_site.run("--check", "--diff").succeeded()
    assert checked.changed
    assert f"+ installations = *={A}" in checked.output
    assert (site.applied(), site.override.read_text(), aware_site.home.exists()) == (0, OWN, False)

    assert aware_site.run().succeeded().changed
    assert (site.applied(), version(cloud)) == (1, "0.2.0")
    assert site.override.read_text().startswith(OWN)
    assert f"installations = *={A}" in site.merged.read_text()
    assert "disk_formats = raw,qcow2" in site.merged.read_text()
    again = aware_site.run().succeeded()
    assert (again.changed, site.applied()) == (0, 1)

    absent = {"glance_instance_aware_state": "absent", "glance_instance_aware_drop_table": True}
    assert aware_site.run(**absent).succeeded().changed
    assert (site.applied(), version(cloud), relations(cloud)) == (2, None, None)
    assert site.override.read_text() == OWN
    # The next start of the container still mounts it.
    assert (aware_site.home / aware_site.pth.name).exists()
    assert aware_site.run(**absent).succeeded().changed == 0


def test_a_site_that_cannot_apply_it_keeps_its_override(cloud: Cloud, aware_site: AwareSite) -> None:
    site = aware_site.site
    site.override.write_text(OWN)
    site.globals.write_text(aware_site.line + "\n")
    site.settings(fails={"code": 3, "stdout": "", "stderr": "no route to host api2"})
    assert "Cannot add filter 'instance_aware': no route to host api2" in refusal(aware_site.run())
    assert (site.override.read_text(), version(cloud)) == (OWN, None)
    assert not (aware_site.home / "extensions" / "glance_instance_aware").exists()
