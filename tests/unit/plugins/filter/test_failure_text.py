# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed task is described by: its output or message, in one line, without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.filter.failure_text import MAX_LENGTH, failure_text


@pytest.mark.parametrize(
    ("result", "options", "text"),
    [
        ({"msg": "Cannot keep image 'a': it is gone."}, {}, "Cannot keep image 'a': it is gone."),
        ({"msg": "it did not start"}, {}, "it did not start."),
        ({"msg": "non-zero return code", "stderr": "warning\n\nerror: no  space\n"}, {}, "warning error: no space."),
        ({"msg": "non-zero return code", "stderr": "warning\nno space\n\n"}, {"lines": 1}, "no space."),
        ({"msg": "non-zero return code", "stderr": "a\nb\nc\nd"}, {"lines": 3}, "b c d."),
        ({"msg": "non-zero return code", "stderr": " \n"}, {}, "non-zero return code."),
        ({}, {}, "the task failed without a message."),
        ({"msg": None}, {}, "the task failed without a message."),
        (
            {"msg": "One or more items failed", "results": [{"msg": "fine"}, {"failed": True, "msg": "First."}, {"failed": True, "stderr": "second"}]},
            {},
            "First. second.",
        ),
        ({"msg": "All items failed", "results": [{"failed": True, "msg": "The same."}] * 2}, {}, "The same."),
        ({"msg": "mysql://glance:word2@db and word", "results": []}, {"secrets": ["word", None, "", "word2"]}, "mysql://glance:***@db and ***."),
        ({"msg": "port 8080"}, {"secrets": [8080]}, "port ***."),
    ],
)
def test_the_cause_is_one_sentence(result: dict[str, Any], options: dict[str, Any], text: str) -> None:
    assert failure_text(result, **options) == text


def test_a_long_text_is_shortened_after_secrets_are_replaced() -> None:
    text = failure_text({"msg": "x" * (MAX_LENGTH - 3) + "secret" + "y" * 50}, secrets=["secret"])
    assert text == "x" * (MAX_LENGTH - 3) + "***…"
