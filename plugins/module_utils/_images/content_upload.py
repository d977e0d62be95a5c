# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Content into an image by the transport that the task and the service allow, and the check that it arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._content.body import Progress
from .._content.decompress import DecompressedSource
from .._content.disk_image_source import DiskImageSource
from .._content.source import FileSource, Source
from .._disk.formats import RAW, sniff
from .._disk.vhd.format import fixed_disk_size
from .._glance.advice import BODY_DROPPED
from .._glance.api import Glance
from .._glance.http import GlanceError
from .._glance.properties import SOURCE_COMPRESSION, SOURCE_DIGEST, SOURCE_FINGERPRINT, Record
from .content import USUAL_ALGORITHMS, computable, service_digest
from .desired import SourceFacts
from .refused_data import advise_on_import, explain_refusal
from .transfer import Sending, Sent, put_data, run_import, stage_data


class ContentUpload:
    """One image's content: sent by us, or fetched by Glance in an import of its own."""

    def __init__(
        self,
        glance: Glance,
        facts: SourceFacts | None,
        source: Source | None,
        import_method: Mapping[str, Any] | None,
        stores: Sequence[str] | None,
        idle_timeout: float,
        wait: bool,
        progress: Progress | None,
        disk_format: str | None = None,
    ) -> None:
        """``disk_format`` is what the task declares."""
        self._glance = glance
        self._facts = facts
        self._source = source
        self._import_method = import_method
        self._stores = stores
        self._idle_timeout = idle_timeout
        self._wait = wait
        self._progress = progress
        self._disk_format = disk_format
        self.sent = Sent()
        self.warnings: list[str] = []

    @property
    def complete(self) -> bool:
        """False while an import runs that the task does not wait for."""
        return self._wait or self._import_method is None

    def fill(self, image: Record) -> Record:
        """Move the content and verify it; the image as Glance shows it then."""
        image_id = str(image["id"])
        self.sent = self._move(image_id, image)
        if not self.complete:
            return image
        return self._verified(image_id)

    def _move(self, image_id: str, image: Record) -> Sent:
        if self._source is None:
            return Sent(stores=run_import(self._glance, image_id, self._import_method or {}, self._stores, self._idle_timeout, self._wait))
        known = self._glance.hash_algorithm()
        # To hash twice while sending costs less than to read all again afterwards.
        algorithms = [known] if known is not None and computable(known) else list(USUAL_ALGORITHMS)
        if self._decompressed is None and self._facts is not None and self._facts.checksum is not None and self._facts.checksum[0] not in algorithms:
            algorithms.append(self._facts.checksum[0])
        sending = Sending(self._source, algorithms, self._progress, self._idle_timeout)
        try:
            if self._import_method is None:
                store = self._stores[0] if self._stores else None
                sent = put_data(self._glance, image_id, sending, store)
                sent.stores = [{"id": name, "status": "active"} for name in self._stores or ()]
            else:
                sent = stage_data(self._glance, image_id, sending)
                sent.stores = run_import(self._glance, image_id, self._import_method, self._stores, self._idle_timeout, self._wait)
        except GlanceError as exc:
            if exc.status in (400, 415) and self._disk_format == "vhd" and not self._source.head().startswith(b"conectix"):
                cause = f"{str(exc).rstrip('.')}. A fixed VHD has its mark at its end, where Glance does not look"
                raise GlanceError(cause, request_id=exc.request_id, kind="fixed_vhd") from exc
            if exc.status == 415:
                cause, advice = explain_refusal(str(exc), self._source.head(), image.get("disk_format"), image.get("container_format"))
                raise GlanceError(cause, status=415, request_id=exc.request_id, advice=advice) from exc
            if exc.code == "import_failed":
                raise exc.with_more("", advise_on_import(str(exc), self._source.head(), image.get("disk_format"), image.get("container_format"))) from exc
            raise
        if isinstance(self._source.origin, FileSource):
            self._source.origin.remember(dict(self._origin_digests(sent)))
        return sent

    @property
    def _decompressed(self) -> DecompressedSource | None:
        return self._source if isinstance(self._source, DecompressedSource) else None

    def _origin_digests(self, sent: Sent) -> Mapping[str, str]:
        """Digests of the bytes as they lie where they come from."""
        return sent.digests if self._decompressed is None else self._decompressed.passed

    def _verified(self, image_id: str) -> Record:
        image = self._glance.image(image_id)
        if image is None or image["status"] != "active":
            status = "deleted" if image is None else image["status"]
            raise GlanceError(f"the data was sent, and the image is in status '{status}'", kind="not_active")
        self._check_declared_checksum(image)
        self._check_end(image)
        notes = self._notes(image)
        if notes:
            return self._glance.patch(image_id, [{"op": "add", "path": f"/{key}", "value": value} for key, value in notes.items()])
        return image

    def _check_declared_checksum(self, image: Record) -> None:
        if self._facts is None or self._facts.checksum is None:
            return
        algorithm, declared = self._facts.checksum
        found = self._origin_digests(self.sent).get(algorithm)
        if found is None:
            found = image.get("checksum") if algorithm == "md5" else image.get("os_hash_value") if image.get("os_hash_algo") == algorithm else None
        if found is None:
            self.warnings.append(f"Glance fetched the content of image {image['id']} itself and keeps no {algorithm} digest, so checksum was not verified.")
        elif found != declared:
            raise GlanceError(f"the content has the {algorithm} digest {found}, and checksum declares {declared}", kind="checksum_mismatch")

    def _check_end(self, image: Record) -> None:
        """The end of what was sent may show a fixed VHD, or that there is none, where nothing did before."""
        if self._source is None or isinstance(self._source, DiskImageSource) or image.get("container_format") != "bare" or not self.sent.size:
            return
        fixed = fixed_disk_size(self.sent.tail) == self.sent.size - len(self.sent.tail)
        if fixed and image.get("disk_format") == RAW:
            if self._disk_format != RAW:
                raise GlanceError("the data ends with the footer of a fixed VHD, which Glance takes for raw data", kind="fixed_vhd")
            self.warnings.append(
                f"The data of image '{image.get('name')}' is declared raw and ends with the footer of a fixed VHD. It was uploaded as it is: "
                "what reads it as raw sees one sector more than the disk has."
            )
        if self._disk_format == "vhd" and not fixed and sniff(self._source.head()) in (None, RAW):
            raise GlanceError("disk_format is 'vhd', but the data is in no format that is known here, and does not end as a fixed VHD", kind="format_mismatch")

    def _notes(self, image: Record) -> dict[str, str]:
        """Properties by which the next run knows this content again where Glance's own digest cannot tell it."""
        notes: dict[str, str] = {}
        facts = self._facts
        if facts is not None and facts.fingerprint is not None:
            notes[SOURCE_FINGERPRINT] = facts.fingerprint
        if self._source is None:
            return notes
        if isinstance(self._source, DiskImageSource):
            # What it holds is known by now, and when that was.
            notes.update({**self._source.notes, SOURCE_FINGERPRINT: str(self._source.fingerprint)})
        algorithm, stored = service_digest(image) or ("md5", "")
        digest = self.sent.digests.get(algorithm) or self._source.digests([algorithm])[algorithm]
        kept = digest == stored
        if not kept and not self._converted(image):
            if image.get("size") != self.sent.size:
                cause = f"Glance has received {image.get('size')} of the {self.sent.size} bytes that were sent"
                raise GlanceError(cause, kind="digest_mismatch", advice=BODY_DROPPED)
            raise GlanceError(f"Glance has the {algorithm} digest {stored} of what was sent as {digest}", kind="digest_mismatch")
        if self._decompressed is not None:
            notes[SOURCE_DIGEST] = ":".join(next(iter(self._decompressed.passed.items())))
            if kept:
                notes[SOURCE_COMPRESSION] = self._decompressed.compression
        elif not kept:
            notes[SOURCE_DIGEST] = f"{algorithm}:{digest}"
        elif facts is not None and facts.checksum is not None and facts.checksum[0] not in (algorithm, "md5"):
            notes[SOURCE_DIGEST] = f"{facts.checksum[0]}:{facts.checksum[1]}"
        return notes

    def _converted(self, image: Record) -> bool:
        """An import plugin rewrites the data; a plain upload is stored as it is or not at all."""
        return self._import_method is not None and image.get("size") != self.sent.size
