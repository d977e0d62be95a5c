# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks written for openstack.cloud.image: their options and aliases are accepted, and the fields that they read are there."""

from __future__ import annotations

from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.results import present_image
from ansible_collections.xenstack.image_services.plugins.modules.glance_image import create_image_argspec

# openstack.cloud 2.5: option -> type and aliases; `volume` is the one that this collection leaves to openstack.cloud.volume.
PEER_OPTIONS = {
    "api_timeout": ("int", ()),
    "auth": ("dict", ()),
    "auth_type": ("str", ()),
    "ca_cert": ("str", ("cacert",)),
    "checksum": ("str", ()),
    "client_cert": ("str", ("cert",)),
    "client_key": ("str", ("key",)),
    "cloud": ("raw", ()),
    "container_format": ("str", ()),
    "disk_format": ("str", ()),
    "filename": ("str", ()),
    "id": ("str", ()),
    "import_method": ("str", ()),
    "interface": ("str", ("endpoint_type",)),
    "is_protected": ("bool", ("protected",)),
    "is_public": ("bool", ()),
    "kernel": ("str", ()),
    "min_disk": ("int", ()),
    "min_ram": ("int", ()),
    "name": ("str", ()),
    "owner": ("str", ("project",)),
    "owner_domain": ("str", ("project_domain",)),
    "properties": ("dict", ()),
    "ramdisk": ("str", ()),
    "region_name": ("str", ()),
    "sdk_log_level": ("str", ()),
    "sdk_log_path": ("str", ()),
    "state": ("str", ()),
    "tags": ("list", ()),
    "timeout": ("int", ()),
    "uri": ("str", ()),
    "use_import": ("bool", ()),
    "validate_certs": ("bool", ("verify",)),
    "visibility": ("str", ()),
    "wait": ("bool", ()),
}
PEER_CHOICES = {
    "import_method": {"web-download", "glance-download"},
    "interface": {"public", "internal", "admin"},
    "state": {"present", "absent", "inactive"},
    "visibility": {"public", "private", "shared", "community"},
}
# Fields that its RETURN documents and that come from Glance's own record.
PEER_FIELDS = set(
    "id name status architecture created_at container_format direct_url min_ram disk_format file has_auto_disk_config hash_algo hash_value hw_cpu_cores "
    "hw_cpu_policy hw_cpu_sockets hw_cpu_thread_policy hw_cpu_threads hw_disk_bus hw_machine_type hw_qemu_guest_agent hw_rng_model hw_scsi_model "
    "hw_video_model hw_video_ram hw_vif_model hw_watchdog_action hypervisor_type instance_type_rxtx_factor instance_uuid is_hidden is_hw_boot_menu_enabled "
    "is_hw_vif_multiqueue_enabled kernel_id locations metadata needs_config_drive needs_secure_boot os_admin_user os_command_line os_distro "
    "os_require_quiesce os_shutdown_timeout os_type os_version owner_id ramdisk_id schema store updated_at url virtual_size vm_mode vmware_adaptertype "
    "vmware_ostype min_disk is_protected checksum owner visibility size tags".split()
)


def test_every_option_and_alias_is_accepted() -> None:
    declared = create_cloud_argspec().merge(create_image_argspec()).options
    options = {accepted: option for name, option in declared.items() for accepted in (name, *option.get("aliases", ()))}
    for name, (kind, aliases) in PEER_OPTIONS.items():
        # A path is a text in which Ansible expands ~.
        assert options[name]["type"] in (kind, "path" if kind == "str" else kind), name
        assert set(aliases) <= set(options[name].get("aliases", ())), name
    for name, choices in PEER_CHOICES.items():
        assert choices <= set(options[name]["choices"]), name


def test_every_field_of_the_image_is_returned() -> None:
    shown = present_image(
        {"id": "a", "name": "debian", "owner": "p", "tags": ["b", "a"], "stores": "fast,archive", "os_hash_algo": "sha512", "self": "/v2/images/a"}
    )
    assert set(shown) >= PEER_FIELDS
    assert (shown["tags"], shown["stores"], shown["hash_algo"]) == (["a", "b"], ["fast", "archive"], "sha512")


def test_nothing_that_can_be_updated_has_a_default() -> None:
    """A default would manage what a task does not mention."""
    options = create_image_argspec().options
    assert {name for name, option in options.items() if "default" in option} == {"state", "on_replace", "properties_mode", "stores_mode"}
