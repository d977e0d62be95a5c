# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container engine that answers from a file who Glance is and what is mounted; anything else is an error, as for the real ones.

Programs that the file names are run here, with the paths of the container in their arguments as they are outside.

Called as: site_engine.py <containers.json> inspect --type container --format <template> <name>
       or: site_engine.py <containers.json> exec [-i] <name> id -u|-g <user>
       or: site_engine.py <containers.json> exec [-i] <name> <program> <argument>...
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main() -> int:
    containers = json.loads(Path(sys.argv[1]).read_text())
    arguments = sys.argv[2:]
    if arguments[:4] == ["inspect", "--type", "container", "--format"] and len(arguments) == 6:
        container = containers.get(arguments[5])
        if container is None:
            return complain(1, f"Error: No such container: {arguments[5]}")
        shown = arguments[4].replace("{{json .State.Running}}", json.dumps(container["running"])).replace("{{json .Mounts}}", json.dumps(container["mounts"]))
        if "{{" in shown:
            return complain(1, f"template parsing error: {shown}")
        print(shown)
        return 0
    if arguments[:2] == ["exec", "-i"]:
        arguments.pop(1)
    program = containers.get(arguments[1], {}).get("programs", {}).get(arguments[2]) if arguments[:1] == ["exec"] and len(arguments) > 2 else None
    if program is not None:
        return run(program, arguments[3:], containers[arguments[1]]["paths"])
    if arguments[:1] == ["exec"] and len(arguments) == 5 and arguments[2] == "id" and arguments[3] in ("-u", "-g"):
        container = containers.get(arguments[1])
        if container is None or not container["running"]:
            return complain(1, f"Error response from daemon: container {arguments[1]} is not running")
        if arguments[4] != "glance":
            return complain(1, f"id: '{arguments[4]}': no such user")
        print(container["uid" if arguments[3] == "-u" else "gid"])
        return 0
    return complain(125, f"unknown arguments: {arguments}")


def run(program: str, arguments: list[str], paths: dict[str, str]) -> int:
    for inside, outside in paths.items():
        arguments = [outside + argument[len(inside) :] if argument.startswith(inside + "/") else argument for argument in arguments]
    return subprocess.run([program, *arguments], check=False).returncode


def complain(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
