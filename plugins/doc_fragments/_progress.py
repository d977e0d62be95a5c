# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""What modules that move images say of their progress."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  action:
    description: Has an action plugin on the controller, which shows progress at C(-v).
    support: full
  async:
    description: Can be run with the keyword C(async). Progress is not shown then.
    support: full
notes:
  - At C(-v), a transfer that takes longer than a second is shown while it runs, with a line at every tenth of it and after 15 seconds without one.
    Where its size is not known, the line has the bytes and the rate alone. The same lines are written to the system log at any verbosity.
  - They are shown where the task runs on the controller itself, with C(connection=local) or C(delegate_to=localhost). Connections to other hosts are
    not known to carry a second command while the module runs, so nothing is shown there, nor with C(async) or C(no_log). The same holds where
    C(become) makes the task an ordinary user other than the one who runs the playbook.
  - Where C(ansible-playbook) writes to a pipe, as in CI and Terraform, Python keeps its output back until there is much of it, unless
    E(PYTHONUNBUFFERED) is set.
"""
