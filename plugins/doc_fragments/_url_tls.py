# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""The options of TLS for an address. Written by make doc-fragments from _image.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url_ca_cert:
    description:
      - File with the certificates, in the form PEM, of the authorities that the server of O(uri) is verified by, in place of those that the host trusts.
    type: path
  url_validate_certs:
    description:
      - Whether the certificate of the server of O(uri) is verified, which is done unless this is V(false).
    type: bool
  url_client_cert:
    description:
      - File with the client certificate for the server of O(uri), in the form PEM. It is shown to no other server.
    type: path
  url_client_key:
    description:
      - File with the key of O(url_client_cert), without a password. Without it, the key is in the file of O(url_client_cert).
    type: path
"""
