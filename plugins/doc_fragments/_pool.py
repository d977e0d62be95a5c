# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Documentation of the options that every module with a pool has."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Shares O(ignore:module_defaults) with the other modules that talk to a pool.
    support: full
    membership:
      - xenstack.image_services.xapi
  platform:
    description: Target platform.
    support: full
    platforms: posix
options:
  hostname:
    description:
      - Name or IP address of the pool's coordinator, with C(:port) and C(https://) or C(http://) before it where needed.
      - The connection uses TLS unless C(http://) is written.
      - A member of the pool may be named too. It knows the coordinator, which is used then.
      - Without it, the environment variable E(XENSERVER_HOST) applies, where the module runs.
    type: str
    required: true
  username:
    description:
      - Name of the user. Without it, E(XENSERVER_USER) applies.
    type: str
    default: root
  password:
    description:
      - Password of the user. Without it, E(XENSERVER_PASSWORD) applies.
    type: str
    required: true
  validate_certs:
    description:
      - Whether the certificate of the host must be signed by a trusted authority. V(false) trusts any host that answers.
      - Without it, E(XENSERVER_VALIDATE_CERTS) applies.
    type: bool
    default: true
  ca_path:
    description:
      - Path, where the module runs, of a PEM file with certificates of the authorities to trust, or of a directory that C(openssl rehash) has prepared.
      - The file may also hold the self-signed certificate of a host. It must name the host as O(hostname) does.
      - Without it, the authorities of the system apply.
    type: path
  fingerprint:
    description:
      - SHA-256 fingerprint of the host's certificate, with or without colons. Several where a pool has several hosts, each with a certificate of its own.
      - C(openssl x509 -noout -fingerprint -sha256 -in /etc/xensource/xapi-ssl.pem) tells it on the host.
      - A certificate with one of them is trusted, whoever has signed it and for whatever name. No other is.
    type: list
    elements: str
  timeout:
    description:
      - Seconds without any progress after which a transfer or an operation of the pool is considered stuck.
      - What moves is never ended by it, however large the disk.
    type: int
    default: 600
requirements:
  - XenAPI >= 2.14
notes:
  - Options and their names are those of the C(xenserver) modules of the collection C(community.general), with O(ca_path), O(fingerprint) and O(timeout) added.
    The connection uses TLS by default here, so that certificates are really verified.
"""
