# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of Cinder, as far as no service is needed."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._cinder import api
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError


def test_a_cloud_without_block_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cloud:
        def __init__(self, _params: object) -> None:
            """Any settings will do."""

        def service(self, *_names: str) -> None:
            """There is none."""

    monkeypatch.setattr(api, "Cloud", Cloud)
    with pytest.raises(ImageServicesError) as excinfo:
        api.Cinder.connect({})
    assert str(excinfo.value) == "Cannot find service 'block-storage': the catalogue has no endpoint of it. Check region_name and interface."
