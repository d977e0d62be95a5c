# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A variable whose template fails is named, which Ansible itself does not do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.xenstack.image_services.plugins.lookup.playbook_findings import LookupModule


def found(playbook: str, **variables: Any) -> list[str]:
    templar = Templar(loader=DataLoader(), variables=variables)
    return LookupModule(loader=DataLoader(), templar=templar).run([playbook], variables)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("/srv/{{ 'catalogue' }}.yml", None),
        ("{{ nobody }}", "catalog_file cannot be read, because 'nobody' is undefined. Define that variable."),
        ("{{ 1 + }}", "catalog_file cannot be read: Syntax error in template: unexpected 'end of print statement'. Correct its value."),
        ("{{ 1 / 0 }}", "catalog_file cannot be read: Error rendering template: division by zero. Correct its value."),
    ],
)
def test_a_template_that_fails_is_named_with_its_variable(template: str, sentence: str | None) -> None:
    assert found("catalog", catalog_file=trust_as_template(template)) == ([sentence] if sentence else [])


def test_a_playbook_of_others_has_no_specification() -> None:
    with pytest.raises(AnsibleError, match="'demo' is no playbook with variables. Choose one of catalog, "):
        found("demo")
