# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What Glance's refusal of data (415, or an import that fails) means, by its words and by what the data begins with. No I/O.

Glance looks at data in containers of the format bare, by oslo.utils' format inspectors.
"""

from __future__ import annotations

import re

from .._disk.formats import RAW, sniff

# Before its own words, webob says something of the type of the request, which is right.
_PREAMBLE = "The request media type application/octet-stream is not supported by this server."
_OTHER_FORMAT = re.compile(r"does not match stream data (\w+)")
_INSPECTED = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", RAW})
_BOOT_SECTOR = b"\x55\xaa"
# The message of a task whose flow has ended in any exception.
_NO_CAUSE = "Task failed due to Internal Error"
_CHUNKS = (
    "Set the chunk size of the store to 1 MiB in Glance (filesystem_store_chunk_size: 1048576): "
    "Glance 33 finds no size in a VHDX whose header and metadata come in one chunk"
)
GENERAL = "Declare the format that the data has, or convert it: Glance refuses what names other files, and what it does not know of a format"


def explain_refusal(answer: str, head: bytes, disk_format: str | None, container_format: str | None) -> tuple[str, str]:
    """Cause and advice; ``answer`` is the refusal of Glance, ``head`` the first bytes of the data, the formats are the image's."""
    said = " ".join(answer.replace(_PREAMBLE, "").split()).rstrip(":. ").replace("Glance answered", "it answered", 1)
    cause = f"Glance does not take the data as disk_format '{disk_format}' in container_format '{container_format}': {said}"
    return cause, _advice(answer, head, disk_format)


def advise_on_import(message: str, head: bytes, disk_format: str | None, container_format: str | None) -> str | None:
    """For an import of such data that failed; None where the message of its task says why, or where data in such a container is not looked at."""
    if _NO_CAUSE not in message or container_format != "bare":
        return None
    usual = _advice(message, head, disk_format)
    return f"See Glance's log for the cause, which it does not tell in an import. If it refuses the format there: {usual[0].lower()}{usual[1:]}"


def _advice(answer: str, head: bytes, disk_format: str | None) -> str:
    other = _OTHER_FORMAT.search(answer)
    boots = head[510:512] == _BOOT_SECTOR
    if sniff(head) == "vhdx" and ("Incomplete" in answer or _NO_CAUSE in answer):
        return _CHUNKS
    if disk_format in ("aki", "ari", "ami") and boots:
        return f"Declare container_format: {disk_format}: in a bare one, Glance takes a kernel with a boot sector for a disk"
    if other and other[1] in _INSPECTED and other[1] != disk_format:
        return f"Declare disk_format: {other[1]}, or convert the data"
    if head.startswith(b"LUKS\xba\xbe"):
        return "Upload the disk that it holds, or give the volume another version: Glance takes LUKS of version 1 alone"
    if boots:
        return "Correct the partition table in its first sector, or set gpt_safety_checks_nonfatal = mbr in Glance, section image_format"
    return GENERAL
