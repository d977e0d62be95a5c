# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the command of the package once without installing it, on a host where it is not installed.

Run it with Glance's interpreter as Glance's user. The arguments name Glance's configuration; standard input holds the command and additional settings.
"""

import json
import os
import subprocess
import sys
import tempfile


def main():
    given = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as directory:
        for name, text in given["texts"].items():
            path = os.path.join(directory, given["name"], name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
        # oslo.config reads directories after all files, in their order.
        settings = os.path.join(directory, "settings.d")
        os.mkdir(settings)
        with open(os.path.join(settings, "settings.conf"), "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            stream.write(given["settings"])
        if "load" in given:
            command = [sys.executable, "-c", f"import {given['load']}"]
        else:
            command = [sys.executable, "-m", given["name"], *sys.argv[1:], "--config-dir", settings, *given["command"]]
        return subprocess.run(command, cwd=directory, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
