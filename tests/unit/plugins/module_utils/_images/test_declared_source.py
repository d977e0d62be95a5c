# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task declares of its content and of the way there: a digest, by itself or by a list in which the content may have another name, and certificates."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import create_item_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.options import create_image_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.source import open_source
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_source import open_origin
from ansible_collections.xenstack.image_services.plugins.modules.xen_vdi_import import create_import_argspec

SPECS = {"glance_image": create_image_argspec, "glance_images": create_item_argspec, "xen_vdi_import": create_import_argspec}
CONTENT = b"\1" * 4096
DIGEST, OTHER = hashlib.sha256(CONTENT).hexdigest(), "b" * 64


def validated(spec: ArgumentSpec, options: dict[str, Any]) -> dict[str, Any]:
    checked = ArgumentSpecValidator(**spec.module_kwargs()).validate(options)
    assert not checked.error_messages, checked.error_messages
    return dict(checked.validated_parameters)


@pytest.fixture
def declared(tmp_path: Path) -> dict[str, Any]:
    """A local file that its publisher lists by other names."""
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    (tmp_path / "LIST").write_text(f"{DIGEST}  appliance-1.raw\n{DIGEST}\tnew/appliance.raw\n{OTHER}  old/appliance.raw\n", encoding="utf-8")
    (tmp_path / "ALONE").write_text(f"{DIGEST}\n", encoding="utf-8")
    return {"name": "appliance", "src": str(tmp_path / "disk.raw"), "disk_format": "raw", "checksum": f"sha256:file://{tmp_path}/LIST"}


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"checksum_name": "appliance-1.raw"}, None),
        ({"checksum_name": "new/appliance.raw"}, None),
        ({"checksum_name": "old/appliance.raw"}, f"digest .*is {DIGEST}, and checksum declares {OTHER}"),
        ({"checksum_name": "appliance.raw"}, "it has several lines for 'appliance.raw' with different digests. Correct checksum, or give the digest itself."),
        ({"checksum_name": "x"}, "it has no line for 'x', and it lists 'appliance-1.raw', 'new/appliance.raw', 'old/appliance.raw'."),
        ({}, "it has no line for 'disk.raw', and it lists .*'. Give the name that the list has as checksum_name, or correct checksum."),
        ({"checksum": "sha256:file://{dir}/ALONE"}, None),
        ({"checksum": "sha256:file://{dir}/ALONE", "checksum_name": "x"}, None),
        ({"checksum": f"sha256:{DIGEST}", "checksum_name": "x"}, None),
        ({"checksum": f"sha256:{OTHER}", "checksum_name": "x"}, f"digest .*is {DIGEST}, and checksum declares {OTHER}"),
    ],
)
@pytest.mark.parametrize("module", SPECS)
def test_the_name_in_the_list_may_be_given(module: str, declared: dict[str, Any], more: dict[str, str], refusal: str | None, tmp_path: Path) -> None:
    options = {**declared, **{option: value.replace("{dir}", str(tmp_path)) for option, value in more.items()}}
    params = validated(SPECS[module](), options)

    def opened() -> Any:
        if module == "xen_vdi_import":
            found = open_origin(params)
            return found and dict(found.expected)
        facts = open_source("appliance", params)[1]
        return facts and facts.checksum and dict([facts.checksum])

    if refusal is None:
        assert opened() == {"sha256": DIGEST}
    else:
        with pytest.raises(ImageServicesError, match=refusal):
            opened()


@pytest.mark.parametrize("module", SPECS)
def test_a_name_needs_a_list(module: str) -> None:
    checked = ArgumentSpecValidator(**SPECS[module]().module_kwargs()).validate({"name": "appliance", "src": "/disk.raw", "checksum_name": "x"})
    assert checked.error_messages == ["missing parameter(s) required by 'checksum_name': checksum"]


@pytest.mark.parametrize("module", SPECS)
def test_an_absent_object_needs_no_list(module: str) -> None:
    params = validated(SPECS[module](), {"name": "appliance", "state": "absent", "src": "/nowhere", "checksum": "sha256:file:///nowhere", "checksum_name": "x"})
    assert (open_origin(params) if module == "xen_vdi_import" else open_source("appliance", params)[1]) is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url_ca_cert": "/nowhere/ca.pem"}, "Cannot use url_ca_cert '/nowhere/ca.pem': No such file or directory"),
        ({"url_client_cert": "/nowhere/own.pem"}, "Cannot use url_client_cert '/nowhere/own.pem': No such file or directory"),
        ({"url_client_cert": __file__, "url_client_key": "/nowhere/own.key"}, "Cannot use url_client_key '/nowhere/own.key': No such file or directory"),
        ({"url_ca_cert": __file__, "url_validate_certs": False}, f"Cannot use url_ca_cert '{__file__}': it holds no certificate"),
    ],
)
@pytest.mark.parametrize("module", SPECS)
def test_files_of_certificates_are_looked_at_before_the_address_is_asked(module: str, options: dict[str, Any], sentence: str) -> None:
    params = validated(SPECS[module](), {"name": "appliance", "uri": "https://127.0.0.1:9/disk.raw", **options})
    with pytest.raises(ImageServicesError, match=sentence):
        open_origin(params) if module == "xen_vdi_import" else open_source("appliance", params)


@pytest.mark.parametrize(
    "option",
    [
        {"url_username": "me"},
        {"headers": {"X-Token": "t"}},
        {"url_ca_cert": "/ca.pem"},
        {"url_validate_certs": False},
        {"url_client_cert": "/own.pem"},
    ],
    ids=lambda option: str(next(iter(option))),
)
def test_what_glance_fetches_itself_takes_none_of_them(option: dict[str, Any]) -> None:
    params = validated(create_image_argspec(), {"name": "appliance", "uri": "https://127.0.0.1:9/disk.raw", "import_method": "web-download", **option})
    with pytest.raises(ImageServicesError, match=f"{next(iter(option))} is given, and Glance fetches the content itself and takes nothing of the kind"):
        open_source("appliance", params)


@pytest.mark.parametrize("option", [{}, {"url_validate_certs": True}])
def test_what_glance_fetches_itself_may_be_declared_as_verified(option: dict[str, Any]) -> None:
    params = validated(create_image_argspec(), {"name": "appliance", "uri": "https://127.0.0.1:9/disk.raw", "import_method": "web-download", **option})
    assert open_source("appliance", params)[0] is None
