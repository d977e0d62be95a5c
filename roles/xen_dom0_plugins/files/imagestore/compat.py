# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python 2.7 and 3 call by different names."""

import sys

if sys.version_info[0] >= 3:
    import http.client as http_client
    import urllib.parse as urls
    import xmlrpc.client as xmlrpc
else:
    import httplib as http_client
    import urlparse as urls
    import xmlrpclib as xmlrpc

text_type = type(b"".decode("ascii"))
TEXT = (str, text_type)
INTEGER = (int, type(1 << 64))

__all__ = ["INTEGER", "TEXT", "http_client", "is_integer", "is_text", "native", "text_type", "urls", "xmlrpc"]


def is_text(value):
    return isinstance(value, TEXT)


def is_integer(value):
    return isinstance(value, INTEGER) and not isinstance(value, bool)


def native(value):
    """Text as this Python's own str."""
    if isinstance(value, str):
        return value
    return value.encode("utf-8") if sys.version_info[0] < 3 else value.decode("utf-8", "replace")
