#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: python_package
short_description: Keep a Python package from the controller where an interpreter of the host finds it
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Copies a package to a directory of its own, and names that directory to an interpreter in a C(.pth) file. No package index, pip or wheel is needed, no file
    of the interpreter's environment or of a distribution is overwritten, and a new environment needs the C(.pth) file alone.
  - The package is complete before it takes the place of the former one, which can be kept until the new one is verified.
options:
  src:
    description:
      - Directory of the package on the controller. Relative paths are looked for in C(files), as for M(ansible.builtin.copy).
      - Bytecode is not copied.
      - Without it, O(path) is named to the interpreter, and the packages in it are left unchanged. A new environment finds them in this way.
    type: path
  name:
    description:
      - Name of the package, which is imported under it. The default is the last part of O(src).
    type: str
  files:
    description:
      - Text of further files of the package, by their path in it.
    type: dict
    default: {}
  path:
    description:
      - Directory on the host that the package is a directory of. Other packages may be in it, and stay.
    type: path
    required: true
  python:
    description:
      - Interpreter that is to find the package. It compiles the package, and the C(.pth) file is written to its first directory of packages.
      - Without it and O(pth), no C(.pth) file is written. Programs find the package if O(path) is in their E(PYTHONPATH).
    type: path
  pth_name:
    description:
      - Name of the C(.pth) file there.
    type: str
    default: image_services_extensions.pth
  pth:
    description:
      - Path of the C(.pth) file instead, for a file that is mounted into a container. It stays when the package is removed, because the container does not
        start without it.
    type: path
  distribution:
    description:
      - Name under which pip and C(importlib.metadata) list the package, with its C(__version__), C(+x) and a digest of its files as the version. Without it,
        the package is not listed.
    type: str
  keep_previous:
    description:
      - Whether the package that is replaced is kept for O(state=restored). It is kept until a run with V(false), so that it is the last package that was
        verified.
    type: bool
    default: false
  state:
    description:
      - V(present) installs the package, or repairs it.
      - V(restored) brings the previous package back. Without one, the package is removed.
      - V(absent) removes the package. The directory and the C(.pth) file are removed as well if the directory has nothing else.
    type: str
    choices: [present, absent, restored]
    default: present
extends_documentation_fragment:
  - xenstack.image_services._attributes
attributes:
  diff_mode:
    description: Returns no difference.
    support: none
  action:
    description: Has an action plugin, which reads the package on the controller.
    support: full
seealso:
  - module: ansible.builtin.pip
"""

EXAMPLES = r"""
- name: Install a package for the interpreter of Glance
  xenstack.image_services.python_package:
    src: my_filter
    path: /opt/glance/extensions
    python: /opt/glance/current/bin/python
    keep_previous: true
  register: my_filter

- name: Go back to the package before
  xenstack.image_services.python_package:
    src: my_filter
    path: /opt/glance/extensions
    python: /opt/glance/current/bin/python
    state: restored

- name: Let the interpreter of a new environment find the packages
  xenstack.image_services.python_package:
    path: /opt/glance/extensions
    python: /opt/glance/venvs/33.0.0/bin/python
"""

RETURN = r"""
installed:
  description: Whether exactly this package is there now. In check mode, whether it was.
  returned: success
  type: bool
  sample: true
exists:
  description: Whether the package is there, as it is or in another version.
  returned: success
  type: bool
  sample: true
path:
  description: Directory of the package, or O(path) without O(src).
  returned: success
  type: str
  sample: /opt/glance/extensions/my_filter
pth:
  description: Path of the C(.pth) file. Empty in check mode if the interpreter does not exist yet, V(null) if none is written.
  returned: success
  type: str
  sample: /opt/glance/current/lib/python3.11/site-packages/image_services_extensions.pth
digest:
  description: SHA-256 over the files that are declared.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: bad_package
    details: null
    request_id: null
  contains:
    code:
      description: A short word for the kind of failure.
      type: raw
    details:
      description: Always V(null).
      type: raw
    request_id:
      description: Always V(null).
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.python_package import STATES, PackageJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run


def create_python_package_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "src": {"type": "path"},
            "name": {"type": "str"},
            "files": {"type": "dict", "default": {}},
            "path": {"type": "path", "required": True},
            "python": {"type": "path"},
            "pth_name": {"type": "str", "default": "image_services_extensions.pth"},
            "pth": {"type": "path"},
            "distribution": {"type": "str"},
            "keep_previous": {"type": "bool", "default": False, "no_log": False},
            "state": {"type": "str", "choices": list(STATES), "default": "present"},
        },
        mutually_exclusive=[("python", "pth")],
        required_one_of=[("src", "python", "pth")],
        required_if=[("state", "absent", ["src"]), ("state", "restored", ["src"])],
        required_by={"name": "src"},
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_python_package_argspec().module_kwargs()), PackageJob)


if __name__ == "__main__":
    main()
