# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``wheel.py <package.json> <target>``: makes the wheel of the package whose texts stand in the file, always the same for the same texts."""

import base64
import hashlib
import json
import os
import sys
import zipfile


def record(name, text):
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(text.encode())}\n"


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as stream:
        package = json.load(stream)
    home = "cinder_xenapinfs-{}.dist-info".format(package["version"])
    texts = dict(package["texts"])
    metadata = "Metadata-Version: 2.1\nName: cinder-xenapinfs\nVersion: {0}\nLicense: GPL-3.0-or-later\nRequires-Python: >=3.10\nRequires-Dist: XenAPI>=2.14\n"
    texts[home + "/METADATA"] = metadata.format(package["version"])
    texts[home + "/WHEEL"] = "Wheel-Version: 1.0\nGenerator: xenstack.image_services\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = "".join(record(name, texts[name]) for name in sorted(texts))
    texts[home + "/RECORD"] = f"{lines}{home}/RECORD,,\n"
    partial = target + ".partial"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(texts):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            archive.writestr(info, texts[name])
    os.replace(partial, target)


if __name__ == "__main__":
    main()
