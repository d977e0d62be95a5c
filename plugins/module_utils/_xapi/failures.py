# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What XAPI refuses with, and the same in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .._core.errors import ImageServicesError, cannot
from .client import Refusal

AGAIN = "Run the task again"
SEE_LOG = "See the log of the host (/var/log/SMlog and /var/log/xensource.log)"
# {0}, {1}: the parameters of the code, as the server gives them.
SENTENCES: dict[str, tuple[str, str]] = {
    "CANNOT_CONTACT_HOST": ("the pool does not reach one of its hosts", "See that all hosts of the pool are up"),
    "DEFAULT_SR_NOT_FOUND": ("the pool has no default SR", "Name an SR"),
    "DEVICE_ALREADY_EXISTS": ("the VM has device {0} already", "Choose another device"),
    "HANDLE_INVALID": ("an object of class {0} has gone in the meantime", AGAIN),
    "HOST_DISABLED": ("the host is disabled", "Enable it, or choose another host"),
    "HOST_IN_EMERGENCY_MODE": ("the host has lost its coordinator", "See that the pool has one, and give that as hostname"),
    "HOST_IS_SLAVE": ("the host is a member of a pool and its coordinator is {0}", "Give the coordinator as hostname"),
    "HOST_NOT_ENOUGH_FREE_MEMORY": ("the host has not enough free memory", "Free memory, or ask for less"),
    "HOST_OFFLINE": ("one of the pool's hosts is offline", "See that all hosts of the pool are up"),
    "HOST_STILL_BOOTING": ("the host is still booting", "Run the task again when it is up"),
    "INTERNAL_ERROR": ("XAPI reports an internal error ({0})", SEE_LOG),
    "LICENCE_RESTRICTION": ("the licence of the pool does not allow {0}", "Use a pool whose licence allows it"),
    "MAP_DUPLICATE_KEY": ("{1} of the {0} has the key {3} already", AGAIN),
    "MESSAGE_METHOD_UNKNOWN": ("this XAPI does not know the call {0}", "Upgrade the pool"),
    "NO_HOSTS_AVAILABLE": ("no host of the pool can run it", "See that a host is enabled, has memory, and reaches the storage and networks"),
    "NOT_IMPLEMENTED": ("this XAPI does not implement {0}", "Upgrade the pool"),
    "OPERATION_NOT_ALLOWED": ("it is not allowed now: {0}", "Wait until what prevents it has ended, then run the task again"),
    "OTHER_OPERATION_IN_PROGRESS": ("another operation is in progress on the same {0}", "Run the task again when it is over"),
    "PBD_EXISTS": ("the host has a connection to this SR already", AGAIN),
    "RBAC_PERMISSION_DENIED": ("the user is not permitted to call {0}", "Use a user with the role pool-admin or vm-admin"),
    "SESSION_AUTHENTICATION_FAILED": ("the pool refuses this user name and password", "Check username and password"),
    "SESSION_INVALID": ("the pool has ended the session", AGAIN),
    "SR_BACKEND_FAILURE_44": ("the SR has no room left ({1})", "Free space in it, or choose another SR"),
    "SR_DEVICE_IN_USE": ("the device is in use by another SR", "Choose another device, or introduce the SR that is on it"),
    "SR_FULL": ("the SR has no room left ({0} bytes asked, {1} at most)", "Free space in it, or choose another SR"),
    "SR_HAS_NO_PBDS": ("no host is connected to the SR", "Plug the SR on a host"),
    "SR_HAS_PBD": ("a host is still connected to the SR", "Unplug it first"),
    "SR_INDESTRUCTIBLE": ("the SR is marked as indestructible", "Take the key indestructible out of its other_config"),
    "SR_NOT_EMPTY": ("there are disks in the SR", "Remove them or move them away"),
    "SR_NOT_SHARABLE": ("the SR is not shared, and another host is connected to it", "Make a shared SR, or connect one host only"),
    "SR_UNKNOWN_DRIVER": ("the pool has no storage driver '{0}'", "Choose a type that xen_sr_info lists under drivers"),
    "SR_UUID_EXISTS": ("the pool knows an SR with this uuid already", "Manage it by its uuid"),
    "TASK_CANCELLED": ("it was cancelled", AGAIN),
    "TOO_MANY_PENDING_TASKS": ("the pool is busy with too many tasks", "Run the task again later"),
    "UNIMPLEMENTED_IN_SM_BACKEND": ("the storage driver of the SR cannot do that", "Choose an SR of another type"),
    "UNKNOWN_XENAPI_PLUGIN_FUNCTION": ("the plugin has no function {0}", "Check the name of the function, and the version of the plugin on the host"),
    "UUID_INVALID": ("there is no {0} with the uuid {1}", "Check the uuid"),
    "VALUE_NOT_SUPPORTED": ("XAPI does not take {1} as {0}: {2}", "Choose another value"),
    "VDI_IN_USE": ("the disk is in use", "Detach it from its VMs, or wait for the operation on it to end"),
    "VDI_IO_ERROR": ("the pool could not write or read the disk ({0})", SEE_LOG),
    "VDI_IS_A_PHYSICAL_DEVICE": ("the disk is a physical device", "Choose another disk"),
    "VDI_LOCATION_MISSING": ("the SR has no disk at {1}", "Scan the SR"),
    "VDI_MISSING": ("the disk is not in its SR", "Scan the SR"),
    "VDI_NOT_AVAILABLE": ("the disk is not available", "Scan the SR, and see that a host is connected to it"),
    "VDI_READONLY": ("the disk is read-only", "Choose another disk"),
    "VDI_TOO_LARGE": ("the disk is larger than this format or SR allows ({1} bytes at most)", "Choose the format raw, or a smaller disk"),
    "VDI_TOO_SMALL": ("the disk is smaller than this SR allows ({1} bytes at least)", "Choose a larger disk"),
    "VM_BAD_POWER_STATE": ("the VM is {2}, not {1}", "Bring it into that state first"),
    "VM_IS_TEMPLATE": ("it is a template", "Choose a VM"),
    "XENAPI_MISSING_PLUGIN": ("the host has no plugin {0}", "Install it with the role xen_dom0_plugins"),
    "XENAPI_PLUGIN_FAILURE": ("the plugin failed in {0}: {2}", SEE_LOG),
}
# What our plugin imagestore fails with, and the advice: the cause is its own sentence.
OUR_PLUGIN = {
    "IMAGESTORE_BAD_DIGEST": "Run the task again, and look at the disk of Glance's store if it says so again",
    "IMAGESTORE_BAD_IMAGE": "Give another image",
    "IMAGESTORE_BAD_REQUEST": "Check the arguments, and the version of the plugin on the host",
    "IMAGESTORE_CANCELLED": AGAIN,
    "IMAGESTORE_FAILED": SEE_LOG,
    "IMAGESTORE_NO_SPACE": "Free space in the SR, or choose another SR",
    "IMAGESTORE_SOURCE": "See that the host reaches Glance and trusts its certificate, or name an endpoint for which that holds",
    "IMAGESTORE_SR": "Choose an SR that keeps files, and see that the host is connected to it",
}
# What XAPI itself puts where the name of a plugin's function would stand.
_BROKEN_PLUGIN = {
    "failed to parse plugin output": "the plugin gives an answer that XAPI does not understand",
    "non-zero exit": "the plugin ended with an error of its own",
}
_ENDED = "signal: "


class XapiFailure(Refusal):
    """The same, with what it means for a task."""

    def explained(self, verb: str, kind: str, name: str, advice: str | None = None) -> ImageServicesError:
        """The same as the sentence of a task."""
        cause, usual = sentence(self)
        return cannot(verb, kind, name, cause, advice or usual, code=self.code, details=self.params)


def broken_plugin(failure: XapiFailure) -> bool:
    """Whether it is an answer of a plugin that XAPI could not read, which it tells as an error of its own."""
    return failure.code == "INTERNAL_ERROR" and any(each.startswith("XMLRPC.RunTimeTypeError(") for each in failure.params)


def sentence(failure: XapiFailure) -> tuple[str, str]:
    """Cause and advice in words for the codes that an operator meets, else code and parameters."""
    params = [" ".join(each.split()) for each in failure.params]
    if failure.code in OUR_PLUGIN and params and params[0]:
        return params[0].rstrip("."), OUR_PLUGIN[failure.code]
    if failure.code == "XENAPI_PLUGIN_FAILURE" and params and params[0] in _BROKEN_PLUGIN:
        # Of what a program prints before it dies, the last line tells why.
        said = "; ".join(each.strip().splitlines()[-1].strip()[:300] for each in failure.params[1:] if each.strip())
        return _BROKEN_PLUGIN[params[0]] + (f" ({said})" if said else ""), SEE_LOG
    if failure.code == "XENAPI_PLUGIN_FAILURE" and params and params[0].startswith(_ENDED):
        return f"the plugin was ended by the signal {params[0][len(_ENDED) :]}", SEE_LOG
    if broken_plugin(failure):
        return f"{_BROKEN_PLUGIN['failed to parse plugin output']} ({params[0]})", SEE_LOG
    if failure.code in SENTENCES:
        cause, advice = SENTENCES[failure.code]
        try:
            return cause.format(*params), advice
        except IndexError:
            pass
    elif failure.code.startswith("SR_BACKEND_FAILURE"):
        text = "; ".join(each for each in params if each)
        return f"the storage driver reports {text or 'an error without a text'} ({failure.code})", SEE_LOG
    said = ", ".join(each for each in params if each)
    return f"XAPI says {failure.code}" + (f" [{said}]" if said else ""), SEE_LOG


@contextmanager
def xapi_errors(verb: str, kind: str, name: str, advice: str | None = None) -> Iterator[None]:
    """Say which task a refusal of XAPI has ended."""
    try:
        yield
    except XapiFailure as exc:
        raise exc.explained(verb, kind, name, advice) from exc
