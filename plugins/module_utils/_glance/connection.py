# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""From a module's options to a client of the image service, by openstacksdk's configuration."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import ImageServicesError, cannot
from .api import Glance
from .argspec import auth_secrets, cloud_secrets
from .credentials import check_keys, check_settings, explained, file_fault, looked_for, refused
from .http import HttpClient
from .identity import Identity

try:
    import openstack
    import openstack.config
    import yaml
    from keystoneauth1 import exceptions as ks
    from openstack.config import loader
except ImportError:
    SDK_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    SDK_IMPORT_ERROR = None

if TYPE_CHECKING:
    from .._core.wait import Clock

NO_ENDPOINT = "no_endpoint"
# Option of the module -> keyword of openstack.config.get_cloud_region, as openstack.cloud maps them.
SDK_KEYWORDS = {
    "auth": "auth",
    "auth_type": "auth_type",
    "region_name": "region_name",
    "interface": "interface",
    "validate_certs": "verify",
    "ca_cert": "cacert",
    "client_cert": "cert",
    "client_key": "key",
    "api_timeout": "api_timeout",
}


class Cloud:
    """One session with the services that the modules use."""

    def __init__(self, params: Mapping[str, Any], clock: Clock | None = None) -> None:
        if SDK_IMPORT_ERROR is not None:
            raise ImageServicesError(missing_required_lib("openstacksdk", reason="to talk to the image service"), code="missing_library")
        if params.get("sdk_log_path"):
            debug = params.get("sdk_log_level") == "DEBUG"
            try:
                openstack.enable_logging(debug=debug, http_debug=debug, path=params["sdk_log_path"])
            except OSError as exc:
                raise cannot("write", "log", params["sdk_log_path"], os.strerror(exc.errno or 0), "Correct sdk_log_path", code="bad_log") from exc
        arguments = _sdk_arguments(params)
        check_settings(arguments)
        with _connecting(params, arguments):
            region = _region(arguments)
        check_settings(region.config)
        with _connecting(params, region.config):
            session = region.get_session()
            project_id = session.get_project_id()
            # A module that verifies one service asks that one, wherever the catalogue leads.
            glance_url = params.get("url") or _endpoint(region, session, "image")
        self._region = region
        self._session = session
        self._clock = clock
        self._identity: Identity | None = None
        http = HttpClient(session, _unversioned(glance_url), clock, params.get("api_timeout"))
        self.glance = Glance(http, project_id, _administrator(session))

    def image_endpoints(self) -> list[str]:
        """Where the image service is reached: as this cloud's settings say, then by the catalogue's further endpoints of the same kind.

        None of these gives up TLS that the first one has: whoever they are given to sends a token there.
        """
        first = self.glance.http.base_url
        if self._region.get_endpoint("image"):
            return [first]
        try:
            listed = self._session.auth.get_access(self._session).service_catalog.get_urls(
                service_type="image", interface=self._region.get_interface("image") or "public", region_name=self._region.get_region_name("image")
            )
        except (AttributeError, ks.ClientException):
            # Not every kind of authentication has a catalogue.
            listed = ()
        others = [_unversioned(str(url)) for url in listed]
        return list(dict.fromkeys([first, *(url for url in others if url.startswith("https://") or not first.startswith("https://"))]))

    def token(self) -> str:
        """A secret that is good for requests of this project for a while."""
        try:
            return str(self._session.get_token())
        except ks.ClientException as exc:
            raise _no_connection(exc) from exc

    @property
    def trust(self) -> bool | str:
        """By what services are verified: the system's authorities, those of the file of this path, or not at all."""
        verify: bool | str = self._session.verify
        return verify

    @property
    def has_client_certificate(self) -> bool:
        return bool(self._session.cert)

    @property
    def identity(self) -> Identity:
        """Project names are looked up only when an option holds one."""
        if self._identity is None:
            try:
                url = _endpoint(self._region, self._session, "identity")
            except ks.ClientException as exc:
                raise _no_connection(exc) from exc
            self._identity = Identity(HttpClient(self._session, _unversioned(url), self._clock, service="Keystone"))
        return self._identity

    def service(self, service_type: str, name: str = "Glance") -> HttpClient | None:
        """A client of another service; None where the cloud has none. ``name`` is what refusals call it."""
        try:
            return HttpClient(self._session, _endpoint(self._region, self._session, service_type), self._clock, service=name)
        except ks.EndpointNotFound:
            return None
        except ImageServicesError as exc:
            if exc.code != NO_ENDPOINT:
                raise
            return None
        except ks.ClientException as exc:
            raise _no_connection(exc) from exc


def _administrator(session: Any) -> bool:
    """Whether the token holds the role that OpenStack's default policies call so."""
    try:
        return "admin" in {str(role).lower() for role in session.auth.get_access(session).role_names}
    except (AttributeError, ks.ClientException):
        # Not every kind of authentication tells its roles.
        return False


def _sdk_arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    given = {keyword: params[option] for option, keyword in SDK_KEYWORDS.items() if params.get(option) is not None}
    cloud = params.get("cloud")
    if isinstance(cloud, Mapping):
        if given:
            raise ImageServicesError(
                f"Cannot use cloud: it is a dictionary, and {', '.join(sorted(given))} is given beside it. Put all settings into one of the two places.",
                code="bad_cloud",
            )
        check_keys(cloud)
        return {"app_name": "xenstack.image_services", **cloud}
    if cloud is not None and (not isinstance(cloud, (str, int)) or isinstance(cloud, bool)):
        raise refused("cloud is neither a name nor a dictionary", "Give the name of an entry of clouds.yaml, or a dictionary with auth")
    if cloud is not None:
        given["cloud"] = str(cloud)
    return {"app_name": "xenstack.image_services", **given}


def _region(arguments: Mapping[str, Any]) -> Any:
    cloud = arguments.get("cloud")
    try:
        return openstack.config.get_cloud_region(**arguments)
    except Exception:
        given = os.environ.get("OS_CLIENT_CONFIG_FILE")
        paths = [given] if given else loader.CONFIG_FILES
        if not cloud and not arguments.get("auth") and not any(map(os.environ.get, ("OS_CLOUD", "OS_AUTH_URL"))):
            cause = "there is neither auth nor the name of a cloud, and no environment variable gives them"
            raise refused(cause, f"Give one of the two. {looked_for(paths)}", code="no_credentials") from None
        fault = file_fault(cloud, paths, yaml.safe_load, yaml.YAMLError) if cloud else None
        if fault is not None:
            raise fault from None
        raise


@contextmanager
def _connecting(params: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        raise explained(exc, settings, [*cloud_secrets(params), *auth_secrets(settings.get("auth"))]) from exc


def _endpoint(region: Any, session: Any, service_type: str) -> str:
    """The catalogue's own word: a version discovery would cost a request in every task."""
    configured = region.get_endpoint(service_type)
    if configured:
        return str(configured)
    interface = region.get_interface(service_type) or "public"
    region_name = region.get_region_name(service_type)
    url = session.get_endpoint(service_type=service_type, interface=interface, region_name=region_name)
    if not url:
        where = f" in region '{region_name}'" if region_name else ""
        raise ImageServicesError(
            f"Cannot find service '{service_type}': the catalogue has no {interface} endpoint of it{where}. Check interface and region_name.",
            code=NO_ENDPOINT,
        )
    return str(url)


def _unversioned(url: str) -> str:
    return re.sub(r"/v\d+(\.\d+)?/?$", "", url.rstrip("/"))


def _no_connection(exc: Exception) -> ImageServicesError:
    cause = " ".join(str(exc).split())
    return ImageServicesError(f"Cannot connect to cloud: {cause.rstrip('.')}. Check cloud, auth and the identity service.", code=type(exc).__name__)
