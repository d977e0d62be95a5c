# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site has is read by those who ask for a part of it as well."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_reader import texts
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.look import SiteInfoJob, create_site_argspec


def test_options_that_are_not_given_have_the_defaults_of_the_module(tmp_path: Path) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text("[DEFAULT]\n")
    job = SiteInfoJob.with_defaults(files=[str(path)], engine="podman")
    assert job.params == {name: option.get("default") for name, option in create_site_argspec().options.items()} | {"files": [str(path)], "engine": "podman"}
    found = job.look()
    assert (texts(found["files"]), found["engine"], found["variables"], found["programs"]) == ({str(path): "[DEFAULT]\n"}, "podman", [], {})
