# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Dom0 plugin imagestore: images between Glance and the storage of this host."""

import sys

import entry

if __name__ == "__main__":
    sys.exit(entry.main(entry.FUNCTIONS))
