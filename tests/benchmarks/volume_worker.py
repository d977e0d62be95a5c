# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What row g measures, in the environment of Cinder: reads the name of a contender from each line, and answers with its seconds and bytes.

volume_worker.py <directory> <VHD in it, below v2/images/ID/file> <ID> <GiB>
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/unit/roles/cinder_xenapinfs"), str(ROOT / "roles/cinder_xenapinfs/files")]

import conftest  # noqa: E402 - it lies with the driver's tests
from backend import Backend, configure, install_plugin  # noqa: E402
from cinder import context  # noqa: E402
from oslo_config import cfg  # noqa: E402

PIECE = 1 << 20


class Images:
    """One image, fetched over HTTP as Cinder fetches it; what was fetched is counted."""

    temp_images: Any = None

    def __init__(self, url: str, meta: dict[str, Any]) -> None:
        self.url, self.meta, self.fetched = url, meta, 0

    def show(self, *_given: Any) -> dict[str, Any]:
        return dict(self.meta)

    def download(self, *_given: Any) -> Iterator[bytes]:
        with urllib.request.urlopen(f"{self.url}/v2/images/{self.meta['id']}/file") as answer:
            while chunk := answer.read(PIECE):
                self.fetched += len(chunk)
                yield chunk


class Volumes:
    """Each way makes a volume of the image, which goes again afterwards."""

    def __init__(self, pool: Any, images: Images, scratch: Path, size: int) -> None:
        self.pool, self.images, self.scratch, self.size = pool, images, scratch, size
        self.asked = context.RequestContext(auth_token="none", is_admin=True)
        self.backend = Backend("first", pool, {})
        self.backend.set_up()

    @contextmanager
    def by(self, transport: str) -> Iterator[Any]:
        cfg.CONF.set_override("xenapi_image_transport", transport, group="first")
        try:
            yield self.backend.set_up()
        finally:
            cfg.CONF.clear_override("xenapi_image_transport", group="first")

    def dom0(self) -> float:
        """The host pulls."""
        with self.by("dom0") as driver:
            volume, started = self.backend.volume(self.size), time.monotonic()
            update, cloned = driver.clone_image(self.asked, volume, None, self.images.show(), self.images)
            assert cloned
            return self.ended(driver, volume, update, started)

    def streamed(self) -> float:
        """The image passes through the driver."""
        with self.by("http") as driver:
            volume, started = self.backend.volume(self.size), time.monotonic()
            update = driver.create_volume(volume)
            volume.update(update)
            driver.copy_image_to_volume(self.asked, volume, self.images, self.images.meta["id"])
            return self.ended(driver, volume, update, started)

    def converted(self) -> float:
        """As the driver of old did it: a file, a raw file, and all of that onto the disk."""
        with self.by("http") as driver:
            volume, started = self.backend.volume(self.size), time.monotonic()
            update = driver.create_volume(volume)
            volume.update(update)
            fetched, raw = self.scratch / "fetched.vhd", self.scratch / "converted.raw"
            run("curl", "--silent", "--fail", "-o", str(fetched), f"{self.images.url}/v2/images/{self.images.meta['id']}/file")
            run("qemu-img", "convert", "-f", "vpc", "-O", "raw", str(fetched), str(raw))
            with driver.volumes.disk(driver._location(volume)) as (session, _repository, vdi):
                self.put(session, vdi, raw)
            return self.ended(driver, volume, update, started)

    def put(self, session: Any, vdi: str, raw: Path) -> None:
        with session.task("copy") as task:
            target = f"{session.url}{session.query('/import_raw_vdi', vdi=vdi, format='raw', task_id=task)}"
            run("curl", "--silent", "--fail", "--insecure", "-H", "Expect:", "-T", str(raw), target)
            while session.call("task.get_status", task) == "pending":
                time.sleep(0.02)
            assert session.call("task.get_status", task) == "success"

    def ended(self, driver: Any, volume: Any, update: dict[str, Any], started: float) -> float:
        seconds = time.monotonic() - started
        volume.update(update)
        driver.delete_volume(volume)
        return seconds

    def cloned(self, size: int) -> float:
        """A volume of a cached image, whose disk has so many GiB."""
        with self.by("http") as driver:
            source, volume = self.backend.made(size), self.backend.volume(size)
            driver.copy_image_to_volume(self.asked, source, self.images, self.images.meta["id"])
            self.images.fetched, started = 0, time.monotonic()
            update = driver.create_cloned_volume(volume, source)
            seconds = self.ended(driver, volume, update, started)
            driver.delete_volume(source)
            return seconds


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def main() -> None:
    scratch, image, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    length = (scratch / "v2/images" / image / "file").stat().st_size
    served = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(scratch)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert served.stdout
    pools = conftest.xapi.run_pool(scratch / f"pool-{uuid.uuid4()}")
    pool = next(pools)
    try:
        address = f"http://127.0.0.1:{served.stdout.readline().split(' port ')[1].split(' ')[0]}"
        configure(scratch, pool)
        install_plugin(pool.server.state)
        cfg.CONF.import_opt("volume_backend_name", "cinder.volume.driver", group=None)
        cfg.CONF.set_override("glance_api_servers", [address])
        images = Images(address, {"id": image, "disk_format": "vhd", "container_format": "bare", "size": length, "properties": {}})
        volumes = Volumes(pool, images, scratch, size)
        ways: dict[str, Callable[[], float]] = {"dom0": volumes.dom0, "streamed": volumes.streamed, "converted": volumes.converted}
        ways |= {"small clone": lambda: volumes.cloned(size), "large clone": lambda: volumes.cloned(1024)}
        for line in sys.stdin:
            images.fetched = 0
            seconds = ways[line.strip()]()
            print(json.dumps({"seconds": seconds, "through": images.fetched}), flush=True)
    finally:
        next(pools, None)
        served.terminate()
        served.wait()
        served.stdout.close()


if __name__ == "__main__":
    main()
