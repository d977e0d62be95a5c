# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role glance_instance_aware leaves on a host with systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

INSTALLATION = "0b7e5e0a-6a52-4d0e-9f4f-3f0f6f8d8b11"
DROP_IN = "/etc/glance/glance-api.conf.d/60-instance-aware.conf"


def test_an_image_is_found_by_its_instance(admin: Api) -> None:
    wanted = '{"name": "backup", "disk_format": "raw", "container_format": "bare", "instance_id": "123"}'
    image = admin.glance("POST", "/v2/images", wanted, content_type="application/json").json()
    try:
        found = admin.glance("GET", f"/v2/images?nova_installation_uuid={INSTALLATION}&instance_id=123").json()["images"]
        assert [each["id"] for each in found] == [image["id"]]
        assert "instance_id" not in found[0]
    finally:
        assert admin.glance("DELETE", f"/v2/images/{image['id']}").status == 204
    assert admin.glance("GET", f"/v2/images?nova_installation_uuid={INSTALLATION}&instance_id=123").json()["images"] == []


def test_only_the_service_reads_the_settings(host: Host) -> None:
    file = host.file(DROP_IN)
    assert (file.user, file.group, oct(file.mode)) == ("root", "glance", "0o640")
    assert host.file("/opt/glance/extensions/glance_instance_aware/filter.py").user == "root"
