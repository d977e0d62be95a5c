# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""doc_fragments.py write|check: fragments of documentation that hold the options of another fragment as suboptions, as static text."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from textwrap import dedent, indent

PLUGINS = Path(__file__).parents[3] / "plugins"
FRAGMENTS = PLUGINS / "doc_fragments"
WIDTH = 160
HEAD = '''# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""{title} Written by make doc-fragments from {source}."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""{text}"""
'''

_ITEMS = r"""
options:
  images:
    description:
      - The images, each with the options that M(xenstack.image_services.glance_image) takes.
      - An item with an unknown option, or two items that declare one image, are refused before the first change.
    type: list
    elements: dict
    required: true
    suboptions:"""
_MORE_OPTIONS_OF_ITEMS = r"""
keep:
  description:
    - Number of images of this name to keep, the declared one and the newest that it has replaced. Without it, all are kept.
    - Images that a server or volume uses, or that are protected, stay beyond this number and are listed in RV(ignore:kept).
  type: int
ignore:
  description:
    - Leave the image of this name or id as it is. It is not pruned either.
  type: bool
  default: false
"""


def _items(documentation: str) -> str:
    """The options as those of each item, references among them included."""
    options = dedent(documentation.partition("options:")[2]) + _MORE_OPTIONS_OF_ITEMS.lstrip()
    names = "|".join(re.findall(r"^([a-z_]+):", options, re.MULTILINE))
    return _ITEMS + indent(re.sub(rf"O\(({names})\b", r"O(images[].\1", options), "      ")


_CREATED_IMAGE = r"""
options:
  image:
    description:
      - The image to keep in Glance, with options of M(xenstack.image_services.glance_image).
      - New content is uploaded as a new, hidden image, verified against what Glance says of it, and only then gets the name.
    type: dict
    suboptions:"""


def _created_image_options() -> tuple[str, ...]:
    source = (PLUGINS / "module_utils/_images/options.py").read_text(encoding="utf-8")
    (found,) = (part.value for part in ast.parse(source).body if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "CREATED_IMAGE_OPTIONS")
    return tuple(ast.literal_eval(found))


def _created_image(documentation: str) -> str:
    """The options of images that content of any kind has, as those of the option image."""
    given = re.split(r"^(?=[a-z_]+:\n)", dedent(documentation.partition("options:")[2]), flags=re.MULTILINE)
    known = {text.partition(":")[0]: text for text in given if text.strip()}
    kept = []
    names = _created_image_options()
    for name in names:
        described, kind, rest = (known[name].rstrip() + "\n").partition("  type:")
        # What is said of options that are not here is left out.
        points = [point for point in re.split(r"^(?=    - )", described, flags=re.MULTILINE) if not set(re.findall(r"O\(([a-z_]+)", point)) - set(names)]
        required = "  required: true\n" if name == "name" else ""
        kept.append("".join(points) + required + kind + rest)
    return _CREATED_IMAGE + indent(re.sub(rf"O\(({'|'.join(names)})\b", r"O(image.\1", "\n" + "".join(kept)), "      ")


_GLANCE = r"""
options:
  glance:
    description:
      - How to reach the cloud. Options and their names are those of the collection C(openstack.cloud).
      - Without it, the environment variables of OpenStack clients and C(clouds.yaml) apply.
    type: dict
    suboptions:
"""
_REQUIREMENTS = r"""
requirements:
  - openstacksdk >= 4.0.0, for images in Glance
"""
# One transfer has one idle timeout: that of the pool's side.
_LEFT_OUT = ("wait", "timeout")


def _below_glance(documentation: str) -> str:
    """The same options in the dictionary of modules whose own options are those of a pool."""
    options = re.split(r"^(?=  \w+:$)", documentation.partition("\noptions:\n")[2].partition("\nrequirements:")[0], flags=re.MULTILINE)
    kept = [option for option in options if option.strip() and option.partition(":")[0].strip() not in _LEFT_OUT]
    names = "|".join(option.partition(":")[0].strip() for option in kept)
    return _GLANCE + indent(re.sub(rf"O\(({names})\b", r"O(glance.\1", "".join(kept)), "    ") + _REQUIREMENTS


def wrapped(text: str) -> str:
    """Lines of at most WIDTH; YAML joins what continues on the next line by a space."""
    lines: list[str] = []
    for line in text.split("\n"):
        start = " " * (len(line) - len(line.lstrip(" -")))
        while len(line) > WIDTH:
            # A colon at the end of a line would make a key of it.
            cut = max(at for at in range(len(start) + 1, WIDTH) if line[at] == " " and line[at - 1] != ":")
            lines.append(line[:cut])
            line = start + line[cut + 1 :]
        lines.append(line)
    return "\n".join(lines)


_DIRECTORIES = r"""
options:
  directories:
    description:
      - The directories, each with the options that M(xenstack.image_services.glance_store_dir) takes.
      - Those that are present must be outside of each other.
    type: list
    elements: dict
    required: true
    suboptions:"""


def _directories(documentation: str) -> str:
    """The options as those of each directory, references among them included."""
    options = dedent(documentation.partition("options:")[2])
    names = "|".join(re.findall(r"^([a-z_]+):", options, re.MULTILINE))
    return _DIRECTORIES + indent(re.sub(rf"O\(({names})\b", r"O(directories[].\1", options), "      ")


_URL_TLS = ("url_ca_cert", "url_validate_certs", "url_client_cert", "url_client_key")


def _url_tls(documentation: str) -> str:
    """The options of TLS for an address alone; what is said of options that are not everywhere is left out."""
    options = re.split(r"^(?=  \w+:$)", documentation.partition("\noptions:\n")[2], flags=re.MULTILINE)
    kept = "".join(option for option in options if option.partition(":")[0].strip() in _URL_TLS)
    return "\noptions:\n" + re.sub(r"^      - These .*\n", "", kept, flags=re.MULTILINE)


# By the name of the fragment: what it is, the fragment that it comes from, and how.
DERIVED = {
    "_image_items": ("The options of each image of a list.", "_image", _items),
    "_image_created": ("The options of an image whose content the module creates.", "_image", _created_image),
    "_url_tls": ("The options of TLS for an address.", "_image", _url_tls),
    "_store_dir_items": ("The options of each directory of a list.", "_store_dir", _directories),
    "_cloud_glance": ("The options of the cloud in a dictionary of their own.", "_cloud", _below_glance),
}


def documentation(fragment: str) -> str:
    (cls,) = (part for part in ast.parse((FRAGMENTS / f"{fragment}.py").read_text(encoding="utf-8")).body if isinstance(part, ast.ClassDef))
    (text,) = (part.value for part in cls.body if isinstance(part, ast.Assign))
    return str(ast.literal_eval(text))


def main(action: str) -> int:
    for name, (title, source, derived) in DERIVED.items():
        path, text = FRAGMENTS / f"{name}.py", HEAD.format(title=title, source=f"{source}.py", text=wrapped(derived(documentation(source))))
        if action == "write":
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"Cannot accept {path.relative_to(FRAGMENTS.parents[1])}: {source}.py has changed. Run make doc-fragments.", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
