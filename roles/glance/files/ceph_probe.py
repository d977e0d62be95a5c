# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libraries of Ceph an interpreter could load from a directory, where they belong, and which are nowhere."""

import importlib.machinery
import importlib.util
import json
import os
import sys
import sysconfig

directory, site = sys.argv[1], sysconfig.get_path("platlib")
links, missing = [], []
for name in ("rados", "rbd"):
    files = [name + suffix for suffix in importlib.machinery.EXTENSION_SUFFIXES if os.path.exists(os.path.join(directory, name + suffix))]
    if files:
        links.append({"src": os.path.join(directory, files[0]), "dest": os.path.join(site, files[0])})
    elif importlib.util.find_spec(name) is None:
        missing.append(name)
print(json.dumps({"links": links, "missing": missing, "version": sysconfig.get_python_version()}))
