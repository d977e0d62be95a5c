# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the images that a user of the demo sees as a table: demo_images.py [<a cloud of clouds.yaml>], those of admin if none is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import openstack

HEAD = ("Name", "Status", "Visibility", "Format", "Bytes", "Stores", "ID")


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows in columns that are as wide as they need to be; the first row is their head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "+".join(["", *("-" * (width + 2) for width in widths), ""])
    lines = ["|".join(["", *(f" {cell.ljust(width)} " for cell, width in zip(row, widths, strict=True)), ""]) for row in rows]
    yield from (rule, lines[0], rule, *lines[1:], rule)


def images(cloud: str) -> Iterator[dict[str, Any]]:
    """What Glance says of each image; openstacksdk's own objects leave the stores out."""
    glance = openstack.connect(cloud=cloud).image
    page: str | None = "/v2/images?sort=created_at:asc"
    while page:
        answer = glance.get(page.removeprefix("/v2"), headers={"Accept": "application/json"}).json()
        yield from answer["images"]
        page = answer.get("next")


def main() -> None:
    cloud = sys.argv[1] if len(sys.argv) > 1 else "admin"
    rows = [HEAD]
    for image in images(cloud):
        stores = ", ".join(sorted(filter(None, image.get("stores", "").split(","))))
        cells = (image["name"], image["status"], image["visibility"], image["disk_format"], image["size"], stores, image["id"])
        rows.append(tuple("" if cell is None else str(cell) for cell in cells))
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
