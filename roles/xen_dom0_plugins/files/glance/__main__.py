# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Dom0 plugin glance: the calls of the historic one, done by the plugin imagestore beside it."""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "imagestore"))
    try:
        import entry
        import historic
    except ImportError:
        sys.stderr.write("The plugin glance needs the plugin imagestore beside it.\n")
        sys.exit(1)
    sys.exit(entry.main(historic.FUNCTIONS, historic.wrapped))
