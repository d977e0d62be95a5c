# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on this host."""

import io
import json
import os
import sys

from compat import is_text, native
from failures import FAILED, Failure

XAPI = "/var/lib/xcp/xapi"
VHD_UTIL = "/usr/bin/vhd-util"
MOUNTS = ("/run/sr-mount", "/var/run/sr-mount")
NAMES = ("sr_base_path", "xapi", "vhd_util", "glance_ca")


def load():
    """The settings, with what is usual where nothing is said."""
    plugins = os.path.dirname(os.path.abspath(sys.argv[0]))
    path = os.path.join(os.path.dirname(plugins), "imagestore.json")
    given = {}
    if os.path.exists(path):
        try:
            with io.open(path, encoding="utf-8") as stream:
                given = json.load(stream)
        except (EnvironmentError, ValueError):
            raise Failure(FAILED, "Cannot read the settings in %s: they are not JSON." % path)
    if not isinstance(given, dict) or not all(name in NAMES and (value is None or is_text(value)) for name, value in given.items()):
        raise Failure(FAILED, "Cannot use the settings in %s: only %s may be there, as text." % (path, ", ".join(NAMES)))
    mounts = [place for place in MOUNTS if os.path.isdir(place)] or [MOUNTS[0]]
    usual = {"sr_base_path": mounts[0], "xapi": XAPI, "vhd_util": VHD_UTIL, "glance_ca": None}
    return {name: native(given[name]) if given.get(name) else value for name, value in usual.items()}
