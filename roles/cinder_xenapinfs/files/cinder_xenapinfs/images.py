# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images to volumes, and volumes to images."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cinder import exception
from cinder.image import image_utils
from oslo_log import log as logging
from oslo_utils import units

from . import convert, dom0, stream, vhd
from .errors import PoolError, PoolFailure
from .location import Location
from .options import Settings
from .repository import Repository
from .session import LONG, Session
from .volumes import Volumes

LOG = logging.getLogger(__name__)
PEEK = 1 << 16


def plugin_refuses(failure: Exception) -> bool:
    """Whether the plugin cannot read the image; this service reads more variants."""
    return isinstance(failure.__cause__, PoolFailure) and failure.__cause__.code == "IMAGESTORE_BAD_IMAGE"


class Images:
    def __init__(self, volumes: Volumes, settings: Settings) -> None:
        self.volumes, self.settings = volumes, settings

    def by_dom0(self, session: Session, meta: dict[str, Any]) -> bool:
        """Whether the plugin of the host transfers the image."""
        if self.settings.transport == "http" or not dom0.kind(meta):
            return False
        if dom0.available(session):
            return True
        if self.settings.transport == "dom0":
            raise PoolError(
                "Cannot use the Dom0 plugin imagestore: the host has no version of it that fits. Install it, or set xenapi_image_transport to auto."
            )
        return False

    # Image to volume

    def clone(self, context: Any, volume: Any, meta: dict[str, Any], image_service: Any, cached: bool) -> Location | None:
        """Create a volume from the image without a copy on this node, or return None where Cinder has to copy it.

        VHDs never go through Cinder: it would ask qemu-img for their size, by a format name that qemu-img does not know, and cannot read the size of tarballs.
        """
        is_vhd = dom0.kind(meta) in ("vhd", "vhd tarball")
        if not is_vhd and (cached or self.settings.transport == "http" or not dom0.kind(meta)):
            return None
        size = volume["size"] * units.Gi
        with self.volumes.pool.session() as session:
            by_plugin = self.by_dom0(session, meta)
            if not by_plugin and not is_vhd:
                return None
            with self.volumes.repositories.new(session, volume["name"]) as repository:
                if by_plugin:
                    identity = str(uuid.uuid4())
                    try:
                        self.pull(session, context, meta, repository, identity, size)
                        return Location(repository.uuid, identity)
                    except exception.ImageUnacceptable as exc:
                        if self.settings.transport != "auto" or not is_vhd or not plugin_refuses(exc):
                            raise
                        LOG.info("Image %s is transferred by this service, since the Dom0 plugin cannot read it: %s", meta["id"], exc)
                ref, identity = self.volumes.create_in(session, repository, volume["name"], volume["display_description"] or "", size)
                with self.image_errors(meta["id"]):
                    self.write(session, ref, size, vhd.Chunks(image_service.download(context, meta["id"])), meta)
                return Location(repository.uuid, identity)

    def pull(self, session: Session, context: Any, meta: dict[str, Any], repository: Repository, vdi: str, size: int) -> None:
        try:
            actual = dom0.download(session, context, meta, repository.uuid, vdi, size)
        except PoolFailure as exc:
            if exc.code in ("IMAGESTORE_BAD_IMAGE", "IMAGESTORE_BAD_DIGEST"):
                raise exception.ImageUnacceptable(image_id=meta["id"], reason=exc.sentence) from exc
            raise
        if actual > size:
            reason = f"its disk of {actual} bytes does not fit into the volume of {size} bytes"
            raise exception.ImageUnacceptable(image_id=meta["id"], reason=reason)

    def fetch(self, context: Any, volume: Any, where: Location, image_service: Any, image_id: str, dense: bool) -> None:
        """Write the image into an existing volume. With ``dense``, zeros of the image overwrite old content."""
        meta = dict(image_service.show(context, image_id)) | {"id": image_id}
        size = volume["size"] * units.Gi
        with self.volumes.disk(where) as (session, repository, ref):
            # The plugin replaces the disk by a new one, which is only right for a disk without user data.
            if not dense and self.by_dom0(session, meta):
                with repository.lock:
                    self.volumes.destroy(session, ref)
                    try:
                        self.pull(session, context, meta, repository, where.vdi, size)
                    except BaseException:
                        session.keep_trying(f"remove VDI {where.vdi}", lambda: self.discard(session, repository, where.vdi))
                        raise
                return
            if dense:
                self.wipe(session, ref)
            image_utils.check_image_conversion_disable(meta["disk_format"], "raw", image_id)
            with self.image_errors(image_id), self.image_bytes(context, image_service, image_id, meta) as chunks:
                if meta["disk_format"] in ("raw", "vhd") and meta.get("container_format") in ("bare", "ovf", None):
                    self.write(session, ref, size, vhd.Chunks(chunks), meta)
                    return
                self.write_from_file(session, ref, size, chunks, meta)

    def write_from_file(self, session: Session, vdi: str, size: int, chunks: Iterable[bytes], meta: dict[str, Any]) -> None:
        """Write any other image: compressed ones, and formats that only qemu-img reads."""
        with image_utils.temporary_dir() as name:
            path, plain = f"{name}/image", f"{name}/disk"
            if meta.get("container_format") == "compressed":
                length = convert.unpack(chunks, path, size)
                if meta["disk_format"] in ("raw", "vhd"):
                    with open(path, "rb") as file:
                        pieces = iter(lambda: file.read(stream.RECORD), b"")
                        self.write(session, vdi, size, vhd.Chunks(pieces), meta | {"container_format": "bare", "size": length})
                    return
            else:
                with open(path, "wb") as file:
                    stream.write_sparse(file, chunks)
            convert.to_raw(path, meta["disk_format"], plain, size)
            with open(plain, "rb") as file:
                stream.send(session, vdi, "raw", stream.records(stream.extents(file), size))

    def discard(self, session: Session, repository: Repository, vdi: str) -> None:
        """Remove the disk that a failed download may have left."""
        session.call("SR.scan", repository.ref, timeout=LONG)
        found = repository.find(session, vdi)
        if found:
            session.call("VDI.destroy", found)

    def wipe(self, session: Session, vdi: str) -> None:
        """Write zeros over the complete disk, since streams leave out zeros."""
        size = int(session.call("VDI.get_virtual_size", vdi))
        pieces = ((at, stream.ZEROS[: size - at]) for at in range(0, size, stream.RECORD))
        stream.send(session, vdi, "raw", stream.records(pieces, size, dense=True))

    @contextlib.contextmanager
    def image_errors(self, image_id: str) -> Iterator[None]:
        try:
            yield
        except vhd.Invalid as exc:
            raise exception.ImageUnacceptable(image_id=image_id, reason=str(exc)) from exc

    @contextlib.contextmanager
    def image_bytes(self, context: Any, image_service: Any, image_id: str, meta: dict[str, Any]) -> Iterator[Iterable[bytes]]:
        """The bytes of the image, from Cinder's temporary copy where it has one."""
        path = image_utils.TemporaryImages.for_image_service(image_service).get(context, image_id)
        if path is None:
            yield image_service.download(context, image_id)
            return
        with open(path, "rb") as file:
            meta["size"] = Path(path).stat().st_size
            yield iter(lambda: file.read(stream.RECORD), b"")

    def write(self, session: Session, vdi: str, size: int, chunks: vhd.Chunks, meta: dict[str, Any]) -> None:
        """Write a raw image, a VHD or a tarball of VHDs into an empty disk."""
        if meta["disk_format"] == "raw":
            stream.send(session, vdi, "raw", stream.records(stream.aligned_pieces(chunks.rest()), size))
        elif chunks.peek(8)[:8] == b"conectix":
            found = vhd.read_head(chunks.peek(PEEK))
            if found.kind != vhd.DYNAMIC or found.size > size:
                raise vhd.Invalid(f"it has a parent VHD, or its disk of {found.size} bytes does not fit into the volume")
            stream.send(session, vdi, "vhd", chunks.rest(), self.length(meta))
        elif meta.get("container_format") == "ovf":
            self.write_tarball(session, vdi, size, chunks)
        else:
            self.write_fixed(session, vdi, size, chunks, self.length(meta))

    @staticmethod
    def length(meta: dict[str, Any]) -> int:
        if not meta.get("size"):
            raise vhd.Invalid("Glance does not state its size")
        return int(meta["size"])

    def write_tarball(self, session: Session, vdi: str, size: int, chunks: vhd.Chunks) -> None:
        """Write each disk of the chain over its parents."""
        with image_utils.temporary_dir() as directory:
            paths = vhd.unpack(chunks, Path(directory), size)
            if vhd.check_chain(paths) > size:
                raise vhd.Invalid("its disk does not fit into the volume")
            for path in reversed(paths):
                with path.open("rb") as file:
                    stream.send(session, vdi, "vhd", iter(lambda: file.read(stream.RECORD), b""), path.stat().st_size)

    def write_fixed(self, session: Session, vdi: str, size: int, chunks: vhd.Chunks, length: int) -> None:
        """Write a fixed VHD: a raw disk followed by a footer."""
        end, footer = length - vhd.SECTOR, bytearray()

        def disk() -> Iterator[bytes]:
            position = 0
            for chunk in chunks.rest():
                inside = max(0, min(len(chunk), end - position))
                footer.extend(chunk[inside:])
                position += len(chunk)
                yield chunk[:inside]
            if vhd.read_footer(bytes(footer))[0].kind != vhd.FIXED:
                raise vhd.Invalid("it is not a VHD")

        stream.send(session, vdi, "raw", stream.records(stream.aligned_pieces(disk()), size))

    # Volume to image

    def upload(self, context: Any, volume: Any, where: Location, image_service: Any, meta: dict[str, Any]) -> None:
        wanted = (meta["disk_format"], meta.get("container_format") or "bare")
        with self.volumes.disk(where) as (session, repository, ref):
            if wanted == ("vhd", "ovf"):
                if self.by_dom0(session, meta):
                    dom0.upload(session, context, meta, repository.uuid, where.vdi)
                    return
                self.upload_tarball(session, ref, context, volume, image_service, meta)
            elif wanted == ("raw", "bare"):
                with stream.receive(session, ref, "raw") as received:
                    self.update(context, volume, image_service, meta, received)
            elif wanted == ("vhd", "bare"):
                with stream.receive(session, ref, "vhd") as received:
                    self.update(context, volume, image_service, meta, vhd.Chunks(vhd.with_trusted_footers(received)))
            else:
                image_utils.check_image_conversion_disable(meta["disk_format"], "raw", meta["id"], upload=True)
                with self.image_errors(meta["id"]):
                    self.upload_converted(session, ref, context, volume, image_service, meta)

    def upload_converted(self, session: Session, ref: str, context: Any, volume: Any, image_service: Any, meta: dict[str, Any]) -> None:
        """Upload any other image, which qemu-img converts from a raw file."""
        with image_utils.temporary_dir() as name:
            plain, image, packed = f"{name}/disk", f"{name}/image", f"{name}/packed"
            with stream.receive(session, ref, "raw") as received, open(plain, "wb") as file:
                size = stream.write_sparse(file, received)
            if meta["disk_format"] == "raw":
                image = plain
            else:
                convert.from_raw(plain, image, meta["disk_format"], size)
            if meta.get("container_format") == "compressed":
                convert.pack(image, packed)
                image = packed
            with open(image, "rb") as file:
                self.update(context, volume, image_service, meta, file)

    def upload_tarball(self, session: Session, ref: str, context: Any, volume: Any, image_service: Any, meta: dict[str, Any]) -> None:
        with image_utils.temporary_dir() as name:
            disk, tarball = Path(name) / "0.vhd", Path(name) / "image"
            with stream.receive(session, ref, "vhd") as received, disk.open("xb") as file:
                stream.write_sparse(file, vhd.with_trusted_footers(received))
            with tarball.open("xb") as file:
                vhd.pack(disk, file)
            disk.unlink()
            with tarball.open("rb") as file:
                self.update(context, volume, image_service, meta, file)

    def update(self, context: Any, volume: Any, image_service: Any, meta: dict[str, Any], file: Any) -> None:
        """Upload the data of the image, to the store that the volume type names."""
        kind = volume.get("volume_type")
        given = {
            "store_id": kind.extra_specs.get("image_service:store_id") if kind else None,
            "base_image_ref": (volume.get("glance_metadata") or {}).get("image_id"),
        }
        counting = CountingFile(file)
        image_service.update(context, meta["id"], {}, counting, **{key: value for key, value in given.items() if value})
        stored = image_service.show(context, meta["id"]).get("size")
        if stored is not None and int(stored) != counting.count:
            # Cinder's client retries after some errors, and then continues where the stream is.
            raise PoolError(f"Cannot upload image {meta['id']}: {counting.count} bytes were sent, and Glance has {stored}. Try again.")


class CountingFile:
    """A file that is read once, and counts the bytes."""

    def __init__(self, file: Any) -> None:
        self.file, self.count = file, 0

    def read(self, count: int = -1) -> bytes:
        data = bytes(self.file.read(count))
        self.count += len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(stream.RECORD), b"")
