# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that file stores have left, by what was configured before."""

from __future__ import annotations

from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_file import written_value
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.former_directories import former_directories
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.render import render_stores

ODD = ["/srv/100% $a {b}", "/srv/it's", '/srv/"quoted"']


def deployed(*paths: str, many: tuple[str, ...] = ()) -> str:
    stores = [{"name": f"s{number}", "type": "file", "default": not number, "filesystem_store_datadir": path} for number, path in enumerate(paths)]
    if many:
        stores.append({"name": "many", "type": "file", "filesystem_store_datadirs": list(many)})
    return render_stores(Declaration(stores=[*stores, {"name": "web", "type": "http"}]), "# x", "")


def unit(*paths: str) -> str:
    return "[Service]\n" + "".join(f"ReadWritePaths={written_value('-' + path, 'systemd_path')}\n" for path in paths)


def test_what_is_not_named_any_more_is_former() -> None:
    assert former_directories(["/srv/new"], deployed("/srv/old", "/srv/new"), "") == ["/srv/old"]
    assert former_directories(["/srv/a"], deployed("/srv/a/", many=("/srv/b:10", "/srv/c")), "") == ["/srv/b", "/srv/c"]
    assert former_directories(["/srv/a"], "", "") == []
    assert former_directories([], "[DEFAULT]\nenabled_backends = r:rbd\n[r]\nfilesystem_store_datadir = /srv/r\n", "") == []


def test_the_unit_remembers_what_came_before() -> None:
    assert former_directories(["/srv/new"], deployed("/srv/new"), unit("/srv/new", "/srv/old", *ODD)) == ["/srv/old", *ODD]
    assert former_directories(ODD, deployed(*ODD), unit(*ODD)) == []
    assert former_directories([], deployed(*ODD), unit(*ODD)) == ODD
