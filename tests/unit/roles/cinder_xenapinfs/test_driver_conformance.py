# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Cinder expects of a driver, and the options of its backends."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from backend import Backend
from cinder import exception, interface
from cinder.interface import (
    util,
    volume_driver,
    volume_manageable_driver,
    volume_snapshotmanagement_driver,
)
from cinder.volume import configuration
from cinder_xenapinfs import location, options
from cinder_xenapinfs.driver import XenAPINFSDriver
from oslo_config import cfg
from oslo_utils import importutils
from xapi import PoolUnderTest

INTERFACES = [
    volume_driver.VolumeDriverCore,
    volume_manageable_driver.VolumeListManageableDriver,
    volume_snapshotmanagement_driver.VolumeSnapshotManagementDriver,
]
HISTORIC = {
    "xenapi_connection_url": None,
    "xenapi_connection_username": "root",
    "xenapi_connection_password": None,
    "xenapi_sr_base_path": "/var/run/sr-mount",
    "xenapi_nfs_server": None,
    "xenapi_nfs_serverpath": None,
}


@pytest.mark.parametrize("wanted", INTERFACES)
def test_the_driver_has_the_interfaces_of_cinder(wanted: type) -> None:
    assert issubclass(XenAPINFSDriver, wanted)


def test_signatures_are_those_of_the_interface() -> None:
    for name, method in inspect.getmembers(volume_driver.VolumeDriverCore, inspect.isfunction):
        if name in vars(XenAPINFSDriver) and not name.startswith("_"):
            asked, given = (list(inspect.signature(each).parameters) for each in (method, vars(XenAPINFSDriver)[name]))
            assert given[: len(asked)] == asked or "kwargs" in given, name


def test_the_driver_is_registered() -> None:
    assert XenAPINFSDriver in interface._volume_register
    found = util.DriverInfo(XenAPINFSDriver)
    assert (found.class_fqn, found.supported) == ("cinder_xenapinfs.driver.XenAPINFSDriver", True)
    assert found.version
    assert found.ci_wiki_name


def test_options_are_the_historic_ones_and_ours() -> None:
    found = {option.name: option for option in XenAPINFSDriver.get_driver_options()}
    assert {name: found[name].default for name in HISTORIC} == HISTORIC
    assert set(found) - set(HISTORIC) == {"xenapi_verify", "xenapi_ca_path", "xenapi_fingerprint", "xenapi_image_transport", "xenapi_connection_type"}
    assert found["xenapi_connection_password"].secret
    assert all(option.help for option in found.values())
    assert set(found) <= set(cfg.CONF[configuration.SHARED_CONF_GROUP])


def test_the_class_is_loaded_by_its_path(backend: Backend) -> None:
    """As the volume manager does it."""
    conf = configuration.Configuration([cfg.StrOpt("volume_driver")], config_group="second")
    made = importutils.import_object(conf.volume_driver, configuration=conf, host="node@second", is_vol_db_empty=True, db=None)
    assert isinstance(made, XenAPINFSDriver)
    assert made.configuration.xenapi_nfs_serverpath == "/srv/second"
    assert backend.driver.configuration.xenapi_nfs_serverpath == "/srv/first"


@pytest.mark.parametrize("name", options.REQUIRED)
def test_an_option_that_is_missing_is_named(make_backend: Callable[..., Backend], name: str) -> None:
    with pytest.raises(exception.InvalidConfigurationValue, match=name):
        make_backend(**{name: None}).set_up()


@pytest.mark.parametrize("given", [{"xenapi_connection_url": "ftp://xen"}, {"xenapi_connection_url": "https://xen/path"}, {"xenapi_fingerprint": ["12:34"]}])
def test_an_option_that_makes_no_sense_is_named(make_backend: Callable[..., Backend], given: dict[str, object]) -> None:
    with pytest.raises(exception.InvalidConfigurationValue, match=next(iter(given))):
        make_backend(**given).set_up()


def test_a_wrong_password_is_said_and_not_shown(make_backend: Callable[..., Backend]) -> None:
    with pytest.raises(exception.VolumeBackendAPIException, match="SESSION_AUTHENTICATION_FAILED") as caught:
        make_backend(xenapi_connection_password="a-wrong-word").set_up()
    assert "a-wrong-word" not in str(caught.value)
    assert "Check the address" in str(caught.value)


def test_the_certificate_is_verified(make_backend: Callable[..., Backend], pool: PoolUnderTest) -> None:
    with pytest.raises(exception.VolumeBackendAPIException, match="CERTIFICATE_VERIFY_FAILED"):
        make_backend(xenapi_ca_path=None).set_up()
    with pytest.raises(exception.VolumeBackendAPIException, match="fingerprint"):
        make_backend(xenapi_ca_path=None, xenapi_fingerprint=["00" * 32]).set_up()
    with pool.nothing_left():
        make_backend(xenapi_ca_path=None, xenapi_fingerprint=["00" * 32, pool.fingerprint]).set_up()
        make_backend(xenapi_ca_path=None, xenapi_fingerprint=[], xenapi_verify=False).set_up()


def test_a_member_leads_to_its_coordinator(make_backend: Callable[..., Backend], pool: PoolUnderTest) -> None:
    backend = make_backend(xenapi_connection_url=pool.server.member)
    with pool.nothing_left():
        backend.set_up()
        backend.driver.delete_volume(backend.made(1))


def test_who_does_not_answer_is_said(make_backend: Callable[..., Backend]) -> None:
    with pytest.raises(exception.VolumeBackendAPIException, match="Cannot reach the pool"):
        make_backend(xenapi_connection_url="https://127.0.0.1:9").set_up()


def test_a_share_that_cannot_be_probed_is_said(backend: Backend, pool: PoolUnderTest) -> None:
    pool.fault(kind="fail_call", method="SR.probe", error=["SR_BACKEND_FAILURE_73", "", "NFS mount error", ""])
    with pool.nothing_left(), pytest.raises(exception.VolumeBackendAPIException, match="NFS mount error"):
        backend.set_up()


@pytest.mark.parametrize("text", ["", None, "a/b", "a", "11111111-2222-3333-4444-555555555555", "../x/y"])
def test_a_location_that_is_none(text: str | None) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        location.parse(text)


def test_a_location() -> None:
    text = "11111111-2222-3333-4444-555555555555/66666666-7777-8888-9999-aaaaaaaaaaaa"
    assert str(location.parse(text)) == text
