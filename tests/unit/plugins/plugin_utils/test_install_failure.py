# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uv and pip print of an installation that failed, and the sentences that it gets."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.filter.failure_text import INDEX, failure_text
from ansible_collections.xenstack.image_services.plugins.plugin_utils.install_failure import REFILL
from hypothesis import given
from hypothesis import strategies as st

HERE = "/srv/wheels"
# As uv 0.9 and pip 25 wrap and print it.
ABSENT = {
    "uv, a pin": (
        "  × No solution found when resolving dependencies:\n  ╰─▶ Because oslo-config was not found in the provided package locations\n"
        "      and you require oslo-config==10.4.0, we can conclude that your\n      requirements are unsatisfiable.\n",
        "oslo-config",
    ),
    "uv, another version": (
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because there is no version of oslo-config==10.4.0 and you\n      require oslo-config==10.4.0, we can\n",
        "oslo-config==10.4.0",
    ),
    "uv, another Python": ("Because psycopg-c==3.2.9 has no wheels with a matching Python ABI tag (e.g., `cp313`)", "psycopg-c==3.2.9"),
    "uv, another machine": ("Because lxml==6.0.0 has no usable wheels and you require lxml==6.0.0", "lxml==6.0.0"),
    "pip": (
        "ERROR: Could not find a version that satisfies the requirement uv==0.9.2 (from versions: none)\nERROR: No matching distribution found for uv==0.9.2\n",
        "uv==0.9.2",
    ),
}


@pytest.mark.parametrize(("said", "package"), ABSENT.values(), ids=ABSENT)
def test_a_package_that_is_missing_is_named(said: str, package: str) -> None:
    told = failure_text({"rc": 1, "stderr": said}, packages_from=HERE)
    assert told == f"directory '{HERE}' has no package '{package}' that this host can use. {REFILL}"


@pytest.mark.parametrize(
    "said",
    [
        "  × Failed to read `little==1.0`\n  ╰─▶ Hash mismatch for `little==1.0`\n\n      Expected:\n        sha256:00\n",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. Otherwise, examine the package contents carefully; "
        "someone may have tampered with them.\n    little==1.0 from file:///srv/wheels/little-1.0-py3-none-any.whl:\n",
    ],
    ids=["uv", "pip"],
)
def test_a_file_with_another_digest_is_named(said: str) -> None:
    told = failure_text({"rc": 1, "stderr": said}, packages_from=HERE)
    assert told.startswith(f"package 'little==1.0' in directory '{HERE}' does not have the digest of the lock file. Remove the file")


def test_other_failures_are_told_in_the_words_of_the_program() -> None:
    full = {"rc": 2, "stderr": "error: failed to write\n  No space left on device (os error 28)\n"}
    assert (
        failure_text(full, packages_from=HERE)
        == f"error: failed to write No space left on device (os error 28). The packages are in directory '{HERE}'. {REFILL}"
    )
    assert failure_text(full, packages_from=INDEX).startswith(
        "error: failed to write No space left on device (os error 28). Check that the host reaches the package index;"
    )


@pytest.mark.parametrize("said", ["invalid peer certificate: UnknownIssuer", "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] …"])
def test_an_unknown_authority_has_its_own_advice(said: str) -> None:
    assert "set the variable of the role that ends in _index_ca_cert." in failure_text({"rc": 1, "stderr": said}, packages_from=INDEX)
    assert "_index_ca_cert" not in failure_text({"rc": 1, "stderr": said}, packages_from=HERE)


@given(st.text(), st.sampled_from([INDEX, HERE]))
def test_any_output_becomes_sentences_in_one_line(said: str, directory: str) -> None:
    told = failure_text({"rc": 1, "stderr": said}, packages_from=directory)
    assert told.endswith(".")
    assert "\n" not in told
