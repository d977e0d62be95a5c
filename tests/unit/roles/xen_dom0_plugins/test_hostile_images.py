# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No byte of an image makes the plugin in Dom0 open another file or address, as the kernel sees it."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import XenAPI
from ansible_collections.xenstack.image_services.tests.support import hostile_table, traced
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, install, pythons
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

# What the plugin of an image makes its disk of, by the format that Glance declares.
FORMS = {"ovf": "vhd tarball", "ova": "vhd tarball"}


def trace_plugin(plugins: Path, log: Path) -> None:
    """Put the plugin behind a script that runs it under strace."""
    strace = shutil.which("strace")
    assert strace, "strace is missing: install the package strace"
    # It finds its settings beside the directory that it is in.
    real = plugins.parent / "traced" / "imagestore"
    real.parent.mkdir(exist_ok=True)
    shutil.copy2(plugins / "imagestore", real)
    command = [strace, "-f", "-qq", "-s", "4096", "-A", "-e", traced.CALLS, "-o", str(log), str(real)]
    script = plugins / ".imagestore.script"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)
    script.rename(plugins / "imagestore")


def test_no_image_makes_the_plugin_open_another_file(plugin_pool: PoolUnderTest, glance: GlanceDouble, tmp_path: Path) -> None:
    """With the newest Python alone: what the others open of the image is decided by the same lines."""
    version, python = list(pythons().items())[-1]
    state, log, folder = plugin_pool.server.state, tmp_path / "log", tmp_path / "host"
    folder.mkdir()
    decoy = hostile_table.make_decoy(folder)
    images = hostile_table.images(folder, "nbd://127.0.0.1:1/x")
    dom0 = Dom0(plugin_pool)
    taken, answers = set(), {}
    # The host's own tool, where this machine has one, looks at each VHD as well.
    tool = shutil.which("vhd-util")
    trace_plugin(install(plugin_pool, python, **({"vhd_util": tool} if tool else {})), log)
    try:
        for number, image in enumerate(images):
            given = glance.put(f"hostile{number}", image.data)
            form = FORMS.get(image.container_format, "raw" if image.disk_format == "raw" else "vhd")
            try:
                dom0.download(given, glance.source(f"hostile{number}"), form=form)
            except XenAPI.Failure as exc:
                answers[image.name] = exc.details
            else:
                taken.add(image.name)
        left = dom0.left()
    finally:
        install(plugin_pool, python)
        dom0.clear()
    assert len(images) >= 60
    assert version
    assert not left
    # What is a whole VHD, whatever it names, and what is declared raw becomes one disk of the SR, byte for byte.
    assert taken == {"vhd, whole disk that names a parent", *(image.name for image in images if image.disk_format == "raw")}
    assert {answer[0] for answer in answers.values()} == {"IMAGESTORE_BAD_IMAGE"}, answers
    assert decoy.read_bytes().startswith(hostile_table.SECRET)
    found = traced.found_in(log.read_text(errors="replace"))
    assert any(path.startswith(str(dom0.directory)) for path in found)
    assert not [path for path in found if "decoy" in path or "host/" in path and str(state) not in path]
    port = str(urlsplit(glance.url).port)
    asked = {call for call in found if call.startswith("connect ") and "sin" in call}
    assert asked
    assert all(f"htons({port})" in call for call in asked), asked
    assert os.path.isdir(state)
