# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backend in a cinder.conf of somebody else: its lines, and no others."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.backend_config import MARK, Edited, edit
from ansible_collections.xenstack.image_services.plugins.module_utils._core.ini import parse

OPTIONS = {"volume_driver": "cinder_xenapinfs.driver.XenAPINFSDriver", "xenapi_connection_password": "a$b", "xenapi_verify": True}
SITE = """\
# Written by hand.
[DEFAULT]
debug = false
# the old one
enabled_backends = lvm,
    ceph
# below it
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver

; a remark
[database]
connection = sqlite://
"""


def configured(text: str, backend: str = "xen", **more: object) -> Edited:
    edited = edit(text, backend, {**OPTIONS, **more})
    assert edited.findings == ()
    return edited


def test_a_backend_comes_beside_others_and_goes_again() -> None:
    first = configured(SITE)
    assert first.backends == ("lvm", "ceph", "xen")
    assert first.package
    assert first.text.startswith(SITE.replace("lvm,\n    ceph", "lvm,ceph,xen"))
    assert first.text.endswith(
        f"\n\n[xen]\n{MARK}\nvolume_driver = cinder_xenapinfs.driver.XenAPINFSDriver\nxenapi_connection_password = a$$b\nxenapi_verify = true\n"
    )
    assert not configured(first.text).changed
    second = configured(first.text, "other", fingerprint=["aa", "bb"], left_out=None, empty="")
    assert parse(second.text)["other"]["fingerprint"] == ["aa,bb"]
    assert {"left_out", "empty"}.isdisjoint(parse(second.text)["other"])
    removed = edit(edit(second.text, "xen", None).text, "other", None)
    assert removed.text == SITE.replace("lvm,\n    ceph", "lvm,ceph")
    assert not removed.package
    assert not edit(removed.text, "xen", None).changed


def test_changed_options_replace_those_that_were_ours_and_what_was_added_by_hand_stays() -> None:
    text = configured(SITE).text + "\n# by hand\nreserved_percentage = 5\n"
    changed = configured(text, xenapi_verify=False)
    assert parse(changed.text)["xen"] == {
        "volume_driver": [OPTIONS["volume_driver"]],
        "xenapi_connection_password": ["a$$b"],
        "xenapi_verify": ["false"],
        "reserved_percentage": ["5"],
    }
    assert "reserved_percentage = 5" in edit(changed.text, "xen", None).text


@pytest.mark.parametrize(
    "text",
    ["", "[DEFAULT]\n", "[DEFAULT]\nenabled_backends =\n", "[DEFAULT]\nenabled_backends = a\n[x]\n[DEFAULT]\nenabled_backends:xen\n", "[other]\na = 1"],
)
def test_wherever_it_has_to_be_written_oslo_reads_it(text: str) -> None:
    edited = configured(text)
    assert parse(edited.text)["DEFAULT"]["enabled_backends"][-1].endswith("xen")
    assert "xen" in edited.backends
    assert not configured(edited.text).changed


def test_a_section_of_somebody_else() -> None:
    """Taken over when every option is declared; refused, with the names of the others, when not."""
    mine = SITE + "[xen]\n# why\nvolume_driver = old\nxenapi_verify = false\n"
    taken = configured(mine)
    assert parse(taken.text)["xen"] == parse(configured(SITE).text)["xen"]
    assert "# why" in taken.text
    assert not configured(taken.text).changed
    foreign = edit(mine + "backend_host = shared\n", "xen", OPTIONS)
    assert not foreign.changed
    assert "holds backend_host too. Say these in cinder_xenapinfs_extra_config" in foreign.findings[0]
    assert edit(mine, "xen", None).findings == ("Cannot remove backend 'xen': this role has not written its section. Remove it by hand.",)


@pytest.mark.parametrize(
    ("text", "backend", "says"),
    [
        (SITE, "database", "Cinder cannot have a backend of this name"),
        (SITE, "default", "Cinder cannot have a backend of this name"),
        (SITE, "a]b", "Cinder cannot have a backend of this name"),
        ("[xen]\n[xen]\n", "xen", "stands 2 times"),
        ("[DEFAULT]\nvolume_driver = lvm\n", "xen", "the driver in the section DEFAULT would not be used any more"),
    ],
)
def test_what_cinder_would_get_wrong_is_refused(text: str, backend: str, says: str) -> None:
    edited = edit(text, backend, OPTIONS)
    assert edited.text == text
    assert says in edited.findings[0]
    assert edited.findings[0].startswith("Cannot ")
