# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tenant uploads to Glance, or somebody else offers, makes an import open nothing but itself, as the kernel sees it."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support import hostile_table, traced
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, disks_of, parameters
from ansible_collections.xenstack.image_services.tests.support.sweep import sample
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

pytestmark = pytest.mark.usefixtures("cleared_pool")
BEGIN, END = "/hostile images begin", "/hostile images end"
# The imports of one process, as the module makes them; their results, or the errors of those that end in a sentence.
IMPORT = f"""
import json, sys
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_job import ImportJob

def imported(params):
    try:
        return carry_out(ImportJob(params), False)["format"]
    except ImageServicesError as exc:
        return str(exc)

def mark(path):
    try:
        open(path)
    except OSError:
        pass

batch = json.load(open(sys.argv[1]))
imported(batch[0])
mark({BEGIN!r})
results = [imported(params) for params in batch]
mark({END!r})
json.dump(results, open(sys.argv[2], "w"))
"""


@contextmanager
def offered(folder: Path) -> Iterator[str]:
    """The address of a server of the files there."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def upload(glance: Any, image: hostile_table.Hostile, name: str) -> str | None:
    """The id of the image, as a tenant uploads it; None where Glance itself refuses it."""
    identity = str(uuid.uuid4())
    glance.create({"id": identity, "name": name, "disk_format": image.disk_format, "container_format": image.container_format})
    try:
        glance.upload(identity, image.data, len(image.data))
    except ImageServicesError:
        return None
    return identity if (glance.image(identity) or {}).get("status") == "active" else None


def test_no_image_makes_an_import_open_another_file(cloud: Cloud, pool: PoolUnderTest, tmp_path: Path, image_name: str) -> None:
    host, held, spool = (tmp_path / name for name in ("host", "images", "spool"))
    for folder in (host, held, spool):
        folder.mkdir()
    decoy = hostile_table.make_decoy(host)
    images = hostile_table.images(host, "nbd://127.0.0.1:1/x")
    auth = cloud.auth("alice")
    glance = Connection(auth).glance
    batch: list[dict[str, Any]] = []
    kept: list[hostile_table.Hostile] = []
    with offered(held) as url:
        for number, image in enumerate(images):
            identity = upload(glance, image, image_name)
            if identity is not None:
                kept.append(image)
                batch.append(parameters(pool, image=identity, glance=auth, name=f"{NAME} {len(batch)}", spool_dir=str(spool)))
            (held / str(number)).write_bytes(image.data)
        assert len(kept) >= 25, "Glance itself refuses the others"
        assert {"vmdk, hidden parent, gzip", "qcow2, backing file, xz"} <= {image.name for image in kept}
        readable = [(number, image) for number, image in enumerate(images) if image.disk_format in ("raw", "vhd", "qcow2", "vmdk")]
        for way in ("src", "uri"):
            for number, image in sample(readable, 12, f"hostile images by {way}"):
                where = f"{url}/{number}" if way == "uri" else str(held / str(number))
                kept.append(image)
                batch.append(parameters(pool, **{way: where}, disk_format=image.disk_format, name=f"{NAME} {len(batch)}", spool_dir=str(spool)))
        (tmp_path / "batch").write_text(json.dumps(batch))
        command = ["-c", IMPORT, str(tmp_path / "batch"), str(tmp_path / "results")]
        found = traced.opened(command, variables={"PYTHONPATH": os.pathsep.join(sys.path)})
    results = json.loads((tmp_path / "results").read_text())
    assert len(results) == len(kept) >= 49
    for image, result in zip(kept, results, strict=True):
        assert image.taken == (not result.startswith("Cannot ")), (image.name, result)
        assert "secret of the host" not in result
    found = found[found.index(BEGIN) + 1 : found.index(END)]
    assert not [path for path in found if "decoy" in path]
    # Files: the images, files without names, and what Python and its libraries read of themselves.
    python = (sys.prefix, sys.base_prefix, *filter(None, sys.path))
    own = (str(held), str(spool), *python, str(Path(pool.options()["ca_path"]).parent), "/etc/", "/usr/", "/proc/", "/dev/")
    assert not [path for path in found if path.startswith("/") and not path.startswith(own)]
    # Addresses: those of the pool, of the cloud and of the server of the files.
    asked = {port for call in found for port in re.findall(r"htons\((\d+)\)", call)}
    wanted = {urlsplit(address).port for address in (url, f"//{pool.options()['hostname']}", auth["cloud"]["auth"]["auth_url"], f"//x:{cloud.glance_port}")}
    assert asked
    assert asked - {"53"} <= {str(port) for port in wanted}, asked
    assert decoy.read_bytes().startswith(hostile_table.SECRET)
    assert not list(spool.iterdir())
    assert sum(bool(disks_of(pool, f"{NAME} {number}")) for number in range(len(batch))) == sum(image.taken for image in kept)
