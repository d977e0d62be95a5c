# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Carry out a plan for an SR; what is incomplete when it fails is taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core.errors import ImageServicesError
from .._xapi.failures import XapiFailure
from .._xapi.session import NULL
from .plan import FORMATTING, SrPlan, Step, not_empty

if TYPE_CHECKING:
    from .._xapi.session import Pool

SETTERS = {"name": "SR.set_name_label", "description": "SR.set_name_description", "shared": "SR.set_shared"}
# Types whose storage holds nothing but what SR.create has put there.
OWN_STORAGE = FORMATTING | {"nfs"}


class SrApply:
    """The steps of a plan as calls, each with the call that takes it back; where that does nothing in vain, it is noted first."""

    def __init__(self, pool: Pool, title: str, ref: str | None) -> None:
        self._pool, self._title = pool, title
        self.ref = ref or ""
        self.found_new = False
        self._undo: list[Callable[[], object]] = []

    def apply(self, plan: SrPlan) -> None:
        try:
            for step in plan.steps:
                getattr(self, f"_{step.verb}")(step)
        except BaseException:
            for back in reversed(self._undo):
                # One thing that cannot be taken back does not keep the others.
                with suppress(XapiFailure, ImageServicesError):
                    back()
            raise

    def _create(self, step: Step) -> None:
        values = step.values
        config = dict(values["device_config"])

        def back(ref: str) -> None:
            self._take_back(ref, values["type"] in OWN_STORAGE)

        self.ref = self._pool.run("SR.create", values["host"], config, 0, *_described(values), what=f"creation of SR {self._title}", undo=back)
        self._undo.append(lambda: back(self.ref))

    def _introduce(self, step: Step) -> None:
        self.ref = self._pool.run("SR.introduce", step.values["uuid"], *_described(step.values), undo="SR.forget")
        self._undo.append(lambda: self._take_back(self.ref, False))

    def _take_back(self, ref: str, destroy: bool) -> None:
        """What we have made goes; its storage too where nothing else can be on it."""
        links = self._pool.call("SR.get_PBDs", ref)
        for link in links:
            with suppress(XapiFailure):
                self._unplug(link)
        if destroy and links and not self._pool.call("SR.get_VDIs", ref):
            with suppress(XapiFailure):
                self._pool.run("SR.destroy", ref)
                return
        self._pool.run("SR.forget", ref)

    def _connect(self, step: Step) -> None:
        links = {record["host"]: (ref, record["currently_attached"]) for ref, record in self._links().items()}
        for host in step.values["hosts"]:
            link, attached = links.get(host, ("", False))
            if not link:
                link = self._make_link(host, step.values["config"], {})
            if step.values["plug"] and not attached:
                self._undo.append(partial(self._unplug, link))
                self._plug(link)

    def _make_link(self, host: str, config: Mapping[str, str], other_config: Mapping[str, str]) -> str:
        given = {"host": host, "SR": self.ref, "device_config": dict(config), "other_config": dict(other_config)}
        link = self._pool.run("PBD.create", given, undo="PBD.destroy")
        self._undo.append(partial(self._pool.call, "PBD.destroy", link))
        return link

    def _disconnect(self, step: Step) -> None:
        links = self._links()
        for link in links if step.values["links"] is None else step.values["links"]:
            if links[link]["currently_attached"]:
                self._undo.append(partial(self._plug, link))
                self._unplug(link)

    def _reconnect(self, step: Step) -> None:
        links = self._links()
        # All let go before one is destroyed: an SR that is in use on any host keeps the very connections that it has.
        for link, _config in step.values["links"]:
            if links[link]["currently_attached"]:
                self._undo.append(partial(self._replug, link))
                self._unplug(link)
        for link, config in step.values["links"]:
            old = links[link]
            self._undo.append(partial(self._restore, link, old))
            self._pool.call("PBD.destroy", link)
            new = self._make_link(old["host"], config, old["other_config"])
            if old["currently_attached"] and step.values["plug"]:
                self._undo.append(partial(self._unplug, new))
                self._plug(new)

    def _replug(self, link: str) -> None:
        found = self._links().get(link)
        if found is not None and not found["currently_attached"]:
            self._plug(link)

    def _restore(self, link: str, old: Mapping[str, Any]) -> None:
        """The connection as it was: the same one, or one that is like it."""
        if link not in self._links():
            link = str(self._pool.call("PBD.create", {key: old[key] for key in ("host", "SR", "device_config", "other_config")}))
        if old["currently_attached"]:
            self._plug(link)

    def _set(self, step: Step) -> None:
        setter = SETTERS[step.values["field"]]
        self._undo.append(partial(self._pool.call, setter, self.ref, step.values["old"]))
        self._pool.call(setter, self.ref, step.values["value"])

    def _default(self, step: Step) -> None:
        ((pool, record),) = self._pool.records("pool").items()
        old = record["default_SR"]
        self._undo.append(partial(self._pool.call, "pool.set_default_SR", pool, old))
        self._pool.call("pool.set_default_SR", pool, self.ref if step.values["value"] else NULL)

    def _scan(self, step: Step) -> None:
        before = set(self._pool.call("SR.get_VDIs", self.ref))
        self._pool.run("SR.scan", self.ref, what=f"scan of SR {self._title}")
        self.found_new = set(self._pool.call("SR.get_VDIs", self.ref)) != before

    def _survey(self, step: Step) -> None:
        """What the pool remembers may be old: look once more before everything there is deleted."""
        links = self._links()
        if not any(record["currently_attached"] for record in links.values()):
            link = next(iter(links))
            self._undo.append(partial(self._unplug, link))
            self._plug(link)
        self._pool.run("SR.scan", self.ref, what=f"scan of SR {self._title}")
        disks = [self._pool.call("VDI.get_record", disk) for disk in self._pool.call("SR.get_VDIs", self.ref)]
        if disks:
            raise not_empty(self._title, (disk["name_label"] or disk["uuid"] for disk in disks))

    def _forget(self, step: Step) -> None:
        self._pool.run("SR.forget", self.ref, what=f"forgetting SR {self._title}")

    def _destroy(self, step: Step) -> None:
        self._pool.run("SR.destroy", self.ref, what=f"deletion of SR {self._title}")

    def _links(self) -> dict[str, dict[str, Any]]:
        return {link: self._pool.call("PBD.get_record", link) for link in self._pool.call("SR.get_PBDs", self.ref)}

    def _plug(self, link: str) -> None:
        self._pool.run("PBD.plug", link, what=f"connection of SR {self._title}")

    def _unplug(self, link: str) -> None:
        self._pool.run("PBD.unplug", link, what=f"disconnection of SR {self._title}")


def _described(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """The end of the arguments of SR.create and SR.introduce."""
    return values["name"], values["description"], values["type"], values["content_type"], values["shared"], {}
