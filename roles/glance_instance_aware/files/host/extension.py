# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a package of Python modules beside Glance, where its interpreter finds it by a .pth file.

Run with Glance's interpreter; the argument is what to do, standard input says with what, and the answer is one line of JSON. ``install`` leaves the package
that was there as the previous one, ``settle`` removes that one, ``restore`` brings it back.
"""

import compileall
import importlib.util
import json
import os
import shutil
import site
import sys

PTH = "image_services_extensions.pth"


def content(directory):
    """Text of every file, by its path; what the interpreter made itself is not looked at."""
    found = {}
    for base, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        for name in names:
            path = os.path.join(base, name)
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                found[os.path.relpath(path, directory)] = stream.read()
    return found


def write(path, text):
    """The whole file or none of it."""
    with open(path + ".new", "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)


def written(directory, texts):
    os.makedirs(directory, mode=0o755)
    for name, text in texts.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        write(path, text)
    compileall.compile_dir(directory, quiet=2)


class Extension:
    def __init__(self, wanted):
        self.root = wanted["root"]
        self.texts = wanted["texts"]
        self.place = os.path.join(self.root, wanted["name"])
        self.previous = os.path.join(self.root, ".previous-" + wanted["name"])
        # A container's interpreter has its file from outside, by a mount that fails when the file goes.
        self.mounted = bool(wanted.get("pth"))
        self.pth = wanted.get("pth") or os.path.join(site.getsitepackages()[0], PTH)
        self.line = self.root + "\n"

    def look(self):
        return not (os.path.isdir(self.place) and content(self.place) == self.texts and self.finds())

    def finds(self):
        try:
            with open(self.pth, encoding="utf-8") as stream:
                return stream.read() == self.line
        except OSError:
            return False

    def install(self):
        if not self.look():
            return False
        os.umask(0o022)
        os.makedirs(self.root, mode=0o755, exist_ok=True)
        made = os.path.join(self.root, ".new-" + self.place.rsplit(os.sep, 1)[1])
        shutil.rmtree(made, ignore_errors=True)
        written(made, self.texts)
        if os.path.isdir(self.place):
            # The previous one is the last that was verified, whatever came after it.
            if os.path.isdir(self.previous):
                shutil.rmtree(self.place)
            else:
                os.rename(self.place, self.previous)
        os.rename(made, self.place)
        if not self.finds():
            os.makedirs(os.path.dirname(self.pth), mode=0o755, exist_ok=True)
            write(self.pth, self.line)
        return True

    def settle(self):
        there = os.path.isdir(self.previous)
        shutil.rmtree(self.previous, ignore_errors=True)
        return there

    def restore(self):
        if not os.path.isdir(self.previous):
            return self.remove()
        shutil.rmtree(self.place, ignore_errors=True)
        os.rename(self.previous, self.place)
        return True

    def remove(self):
        """The .pth file stays while other extensions need it."""
        there = [path for path in (self.place, self.previous) if os.path.isdir(path)]
        for path in there:
            shutil.rmtree(path)
        if self.mounted:
            return bool(there)
        if os.path.isdir(self.root) and not os.listdir(self.root):
            os.rmdir(self.root)
            there.append(self.root)
        if not os.path.isdir(self.root) and self.finds():
            os.remove(self.pth)
            there.append(self.pth)
        return bool(there)


def main():
    extension = Extension(json.load(sys.stdin))
    changed = getattr(extension, sys.argv[1])()
    glance = importlib.util.find_spec("glance") is not None
    there = os.path.isdir(extension.place) or (extension.finds() and not extension.mounted)
    print(json.dumps({"changed": changed, "there": there, "pth": extension.pth, "glance": glance}))


if __name__ == "__main__":
    main()
