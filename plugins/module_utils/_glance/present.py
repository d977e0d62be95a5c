# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""An image record as the modules return it: openstacksdk's field names, so that it reads as openstack.cloud's does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._plan.image_desired import OWN_PROPERTIES


def present_image(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of openstacksdk's Image, with ``stores`` as a list beside them."""
    from openstack.image.v2.image import Image

    # "self" is a link in the record and the instance in the constructor.
    operators = {key: value for key, value in record.items() if key not in OWN_PROPERTIES and key != "self"}
    shown = dict(Image.existing(**operators).to_dict(computed=False, original_names=False))
    shown.pop("location", None)
    shown["tags"] = sorted(shown.get("tags") or ())
    shown["stores"] = [store for store in str(record.get("stores", "")).split(",") if store]
    return shown
