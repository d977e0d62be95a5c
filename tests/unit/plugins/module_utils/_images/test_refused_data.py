# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Glance's 415 is made of: recorded answers, and what the data begins with."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._images.refused_data import GENERAL, advise_on_import, explain_refusal

SAYS = "Glance answered 415 Unsupported Media Type: The request media type application/octet-stream is not supported by this server. "
DISK = bytes(510) + b"\x55\xaa" + bytes(1024)

# Of Glance 33, and of one before it told more than the first sentence.
ANSWERS = [
    (SAYS + "Image failed safety checks", b"QFI\xfb\0\0\0\3", "qcow2", "bare", "415 Unsupported Media Type: Image failed safety checks", GENERAL),
    (SAYS, b"QFI\xfb\0\0\0\3", "qcow2", "bare", "it answered 415 Unsupported Media Type", GENERAL),
    (SAYS + "Image disk_format vmdk does not match stream data raw", bytes(600), "vmdk", "bare", "stream data raw", "Declare disk_format: raw, or convert"),
    (
        SAYS + "Image disk_format vmdk does not match stream data gpt",
        DISK,
        "vmdk",
        "bare",
        "stream data gpt",
        "Correct the partition table in its first sector",
    ),
    (SAYS + "Image disk_format aki does not match stream data gpt", DISK, "aki", "bare", "stream data gpt", "Declare container_format: aki: in a bare one"),
    (SAYS + "Image disk_format ari does not match stream data gpt", DISK, "ari", "bare", "stream data gpt", "Declare container_format: ari: in a bare one"),
    (SAYS + "Image failed safety checks", DISK, "raw", "bare", "Image failed safety checks", "or set gpt_safety_checks_nonfatal = mbr in Glance"),
    (SAYS + "Image failed safety checks", b"LUKS\xba\xbe\0\2", "raw", "bare", "Image failed safety checks", "LUKS of version 1 alone"),
    (SAYS + "Incomplete file cannot be safety checked", b"vhdxfile", "vhdx", "bare", "Incomplete file", "filesystem_store_chunk_size: 1048576"),
    (SAYS + "Incomplete file cannot be safety checked", b"KDMV", "vmdk", "bare", "Incomplete file", GENERAL),
    (SAYS + "Multiple formats detected: gpt,qcow2", b"QFI\xfb", "qcow2", "bare", "Multiple formats detected: gpt,qcow2", GENERAL),
]


@pytest.mark.parametrize(("answer", "head", "disk_format", "container_format", "words", "advice"), ANSWERS)
def test_answers(answer: str, head: bytes, disk_format: str, container_format: str, words: str, advice: str) -> None:
    cause, found = explain_refusal(answer, head, disk_format, container_format)
    assert cause.startswith(f"Glance does not take the data as disk_format '{disk_format}' in container_format '{container_format}': it answered 415")
    assert words in cause
    assert "application/octet-stream" not in cause
    assert found.startswith(advice) or advice in found


FAILED = "the import failed, the image is in status 'queued': Task failed due to Internal Error"


@pytest.mark.parametrize(
    ("message", "head", "disk_format", "container_format", "advice"),
    [
        (FAILED, DISK, "raw", "bare", "If it refuses the format there: correct the partition table in its first sector"),
        (FAILED, DISK, "aki", "bare", "If it refuses the format there: declare container_format: aki"),
        (
            FAILED,
            b"LUKS\xba\xbe\0\2",
            "raw",
            "bare",
            "If it refuses the format there: upload the disk that it holds, or give the volume another version: Glance takes LUKS of version 1 alone",
        ),
        (FAILED, b"vhdxfile", "vhdx", "bare", "filesystem_store_chunk_size: 1048576"),
        (FAILED, bytes(600), "raw", "bare", "If it refuses the format there: declare the format that the data has"),
        (FAILED, DISK, "raw", "ovf", None),
        ("the import failed: Task failed due to File /staging/1 not found", DISK, "raw", "bare", None),
    ],
)
def test_an_import_that_failed_without_a_cause(message: str, head: bytes, disk_format: str, container_format: str, advice: str | None) -> None:
    found = advise_on_import(message, head, disk_format, container_format)
    if advice is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith("See Glance's log for the cause, which it does not tell in an import. ")
        assert advice in found
