# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Every option of every store driver of glance_store 5.7: the one table behind lint, rendering and argument_specs.yml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option of a store's section; None as a default means that the driver's own default holds."""

    kind: str  # str, int, bool, list (one comma separated line), lines (one line each) or dict
    help: str
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    secret: bool = False
    required: bool = False


def _str(help: str, *choices: str, **more: Any) -> Option:
    return Option("str", help, choices, **more)


def _int(help: str, minimum: int | None = None, maximum: int | None = None) -> Option:
    return Option("int", help, minimum=minimum, maximum=maximum)


def _bool(help: str) -> Option:
    return Option("bool", help)


FILE = {
    "filesystem_store_datadir": _str("Directory that holds the images."),
    "filesystem_store_datadirs": Option(
        "lines", "Directories with priorities, V(path:priority). Deprecated by Glance; one store for each directory is better."
    ),
    "filesystem_store_metadata_file": _str("JSON file with the metadata of the image locations in this store."),
    "filesystem_store_file_perm": _int("Mode of the image files, written in octal digits, for example V(640). With V(0) the umask decides.", 0),
    "filesystem_store_chunk_size": _int("Bytes that are read or written at once. Glance's default is 65536.", 1),
    "filesystem_thin_provisioning": _bool("Whether blocks of zeros become holes."),
    "filesystem_store_timeout": _int("Seconds after which an operation on the file system is considered hung. V(0) waits forever.", 0),
    "filesystem_store_thread_pool_size": _int("Threads that watch over those operations.", 1),
    "filesystem_store_threadpool_threshold": _int("Percentage of busy threads above which Glance warns.", 0, 100),
}

HTTP = {
    "https_ca_certificates_file": _str("Certificates to check servers by."),
    "https_insecure": _bool("Whether to skip the check of certificates. Glance's default is V(true), as long as no certificates are named."),
    "http_proxy_information": Option("dict", "Proxy for each scheme, for example V(http: proxy.example.org:3128)."),
}

RBD = {
    "rbd_store_pool": _str("Pool that holds the images."),
    "rbd_store_user": _str("Ceph user. Without it, the one of the only keyring of its cluster in O(glance_stores_ceph)."),
    "rbd_store_ceph_conf": _str("Path of the cluster's configuration file."),
    "rbd_store_chunk_size": _int("Size of an object in MiB, a power of two.", 1),
    "rados_connect_timeout": _int("Seconds to wait for the cluster. Librados decides where it is zero or less."),
    "rbd_thin_provisioning": _bool("Whether blocks of zeros are not written."),
}

SWIFT = {
    "swift_store_config_file": _str("File with the accounts. The role names its own file here when O(glance_stores_swift_accounts) holds the account."),
    "default_swift_reference": _str("Account to store images in, one of O(glance_stores_swift_accounts)."),
    "swift_store_container": _str("Container that holds the images, or the prefix of several."),
    "swift_store_create_container_on_put": _bool("Whether a missing container is created."),
    "swift_store_large_object_size": _int("Size in MB above which an image is stored in segments.", 1),
    "swift_store_large_object_chunk_size": _int("Size of a segment in MB.", 1),
    "swift_store_endpoint": _str("URL of the object store, instead of the one in the catalogue."),
    "swift_store_endpoint_type": _str("Interface in the catalogue.", "publicURL", "adminURL", "internalURL"),
    "swift_store_service_type": _str("Service type in the catalogue."),
    "swift_store_region": _str("Region in the catalogue."),
    "swift_store_cacert": _str("Certificates to check the identity service by."),
    "swift_store_auth_insecure": _bool("Whether to skip the check of certificates."),
    "swift_store_multi_tenant": _bool("Whether images are stored in the account of their project."),
    "swift_store_multiple_containers_seed": _int("Characters of the image id that choose its container. V(0) uses one container.", 0, 32),
    "swift_store_admin_tenants": Option("list", "Projects that may read and write everything in multi tenant mode."),
    "swift_store_ssl_compression": _bool("Whether TLS compresses."),
    "swift_store_retry_get_count": _int("How often a broken download is continued.", 0),
    "swift_store_expire_soon_interval": _int("Seconds before its end at which a token is renewed.", 0),
    "swift_store_use_trusts": _bool("Whether trusts keep long uploads in multi tenant mode authorized."),
    "swift_buffer_on_upload": _bool("Whether segments are buffered on disk before they are sent."),
    "swift_upload_buffer_dir": _str("Directory of that buffer."),
    "swift_store_auth_version": _str("Version of the identity API. Deprecated by Glance, which knows no other.", "3"),
    "swift_store_auth_address": _str("URL of the identity service. Deprecated by Glance."),
    "swift_store_user": _str("User, as V(project:user). Deprecated by Glance."),
    "swift_store_key": _str("Password of the user. Deprecated by Glance.", secret=True),
    "swift_store_application_credential_id": _str("Application credential."),
    "swift_store_application_credential_secret": _str("Its secret.", secret=True),
    "swift_store_project_name": _str("Project of the application credential. Deprecated by Glance."),
    "swift_store_project_id": _str("Project of the application credential. Deprecated by Glance."),
}

S3 = {
    "s3_store_host": _str("URL of the object store, with its scheme.", required=True),
    "s3_store_region_name": _str("Region."),
    "s3_store_access_key": _str("Access key.", secret=True, required=True),
    "s3_store_secret_key": _str("Secret key.", secret=True, required=True),
    "s3_store_bucket": _str("Bucket that holds the images.", required=True),
    "s3_store_create_bucket_on_put": _bool("Whether a missing bucket is created."),
    "s3_store_bucket_url_format": _str("How the bucket is named in URLs.", "auto", "virtual", "path"),
    "s3_store_large_object_size": _int("Size in MB above which an image is sent in parts. V(0) always sends parts.", 0),
    "s3_store_large_object_chunk_size": _int("Size of a part in MB.", 5),
    "s3_store_thread_pools": _int("Parts that are sent at once.", 1),
    "s3_store_cacert": _str("Certificates to check the server by."),
    "s3_store_enable_data_integrity_protection": _bool("Whether checksums protect the data in transit."),
    "s3_store_request_checksum_calculation": _str("When checksums are sent.", "when_required", "when_supported"),
    "s3_store_response_checksum_validation": _str("When checksums are checked.", "when_required", "when_supported"),
}

CINDER = {
    "cinder_catalog_info": _str("Service type, service name and interface in the catalogue."),
    "cinder_endpoint_template": _str("URL of the block storage service, instead of the one in the catalogue."),
    "cinder_os_region_name": _str("Region in the catalogue."),
    "cinder_ca_certificates_file": _str("Certificates to check the server by."),
    "cinder_http_retries": _int("How often a failed request is repeated.", 0),
    "cinder_state_transition_timeout": _int("Seconds to wait for a volume's state.", 0),
    "cinder_api_insecure": _bool("Whether to skip the check of certificates."),
    "cinder_store_auth_address": _str("URL of the identity service."),
    "cinder_store_user_name": _str("User that owns the volumes. Without it they belong to the project of the image."),
    "cinder_store_user_domain_name": _str("Domain of the user."),
    "cinder_store_password": _str("Password of the user.", secret=True),
    "cinder_store_application_credential_id": _str("Application credential."),
    "cinder_store_application_credential_secret": _str("Its secret.", secret=True),
    "cinder_store_project_name": _str("Project that owns the volumes."),
    "cinder_store_project_domain_name": _str("Domain of the project."),
    "rootwrap_config": _str("Configuration of rootwrap."),
    "cinder_volume_type": _str("Volume type of the images."),
    "cinder_enforce_multipath": _bool("Whether a missing multipath daemon is an error."),
    "cinder_use_multipath": _bool("Whether volumes are attached by several paths."),
    "cinder_mount_point_base": _str("Directory to mount NFS volumes below."),
    "cinder_do_extend_attached": _bool("Whether volumes grow while attached."),
    "cinder_attachment_retry_attempts": _int("How often an attachment is tried.", 1),
}

VMWARE = {
    "vmware_server_host": _str("Name or address of the server.", required=True),
    "vmware_server_username": _str("User.", required=True),
    "vmware_server_password": _str("Password of the user.", secret=True, required=True),
    "vmware_datastores": Option("lines", "Datastores, V(datacenter path:datastore) or V(datacenter path:datastore:weight).", required=True),
    "vmware_store_image_dir": _str("Directory in the datastore."),
    "vmware_api_retry_count": _int("How often a failed call is repeated.", 1),
    "vmware_task_poll_interval": _int("Seconds between two looks at a task.", 1),
    "vmware_insecure": _bool("Whether to skip the check of certificates."),
    "vmware_ca_file": _str("Certificates to check the server by."),
}

BACKENDS: dict[str, dict[str, Option]] = {"file": FILE, "http": HTTP, "rbd": RBD, "swift": SWIFT, "s3": S3, "cinder": CINDER, "vmware": VMWARE}

# What a store may say beside its driver's options; `name` and `type` are handled on their own.
COMMON = {
    "default": _bool("Whether images are uploaded here if the user names no store. Exactly one store is the default."),
    "weight": _int("If several stores hold an image, it is served from the one with the highest weight. Glance's default is 0."),
    "description": _str("What users see of the store."),
    "shared": _bool("Whether all API hosts see the same directory here. Needed for a file store where there are several."),
    "ceph_cluster": _str("Cluster of O(glance_stores_ceph) that an rbd store uses. Needed where there are several."),
    "directory": Option("dict", "How the directories of a file store are kept; see the options of M(xenstack.image_services.glance_store_dir)."),
}

DIRECTORY = {
    "owner": _str("Owner: a name, a number or a preset. Without it O(glance_stores_owner) holds."),
    "group": _str("Group. Without it the owner's."),
    "mode": _str("Mode of the directory, quoted octal digits."),
    "recurse": _bool("Whether the ownership of everything below is repaired."),
    "require_mount": _bool("Whether the directory must be on a mounted volume rather than on the root file system."),
    "mount_point": _str("Mount point that has to be mounted; implies O(glance_stores[].directory.require_mount)."),
    "min_free": _str("Space that has to be free, for example V(50G)."),
    "setype": _str("SELinux type, where SELinux is on."),
    "follow": _bool("Whether symbolic links in the path are followed."),
}

RESERVED_STORES = {"staging": "os_glance_staging_store", "tasks": "os_glance_tasks_store"}

SWIFT_ACCOUNT = {
    "auth_address": _str("URL of the identity service.", required=True),
    "user": _str("User, as V(project:user)."),
    "key": _str("Password of the user.", secret=True),
    "project_domain_name": _str("Domain of the project."),
    "project_domain_id": _str("Domain of the project, by its id."),
    "user_domain_name": _str("Domain of the user."),
    "user_domain_id": _str("Domain of the user, by its id."),
    "application_credential_id": _str("Application credential, instead of user and key."),
    "application_credential_secret": _str("Its secret.", secret=True),
    "project_name": _str("Project of the application credential."),
    "project_id": _str("Project of the application credential, by its id."),
}

# Sections that Glance 33 and its libraries read themselves; oslo.config compares section names without regard to case.
GLANCE_SECTIONS = frozenset(
    "default audit_middleware_notifications backend_defaults barbican barbican_service_user cache cors database glance_download_properties "
    "glance_store healthcheck identity image_conversion image_format image_import_opts import_filtering_opts inject_metadata_properties key_manager "
    "keystone_authtoken none os_brick oslo_concurrency oslo_limit oslo_messaging_kafka oslo_messaging_notifications oslo_messaging_rabbit "
    "oslo_middleware oslo_middleware_tracing oslo_policy oslo_reports paste_deploy privsep profiler profiler_jaeger profiler_otlp "
    "sample_castellan_source sample_remote_file_source ssl task taskflow_executor vault wsgi".split()
)

# Options of [glance_store] that choose stores the old way, beside every driver's own options.
SINGLE_STORE_OPTIONS = frozenset({"stores", "default_store"}) | frozenset(name for options in BACKENDS.values() for name in options)
