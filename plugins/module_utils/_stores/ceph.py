# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Ceph clusters of rbd stores: the files that their clients need, and what of a store follows from them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._core.ini import parse, section

Cluster = Mapping[str, Any]
Store = Mapping[str, Any]
Finding = tuple[str, str]  # cause and what to do

CLUSTER = ("name", "conf", "src", "keyrings")
KEYRING = ("user", "key", "src")
# Type, two numbers of time, length of the secret, and a secret of 16 bytes: what every key of cephx begins with.
SHORTEST_KEY = 28


def clusters_in_reach(store: Store, clusters: Sequence[Cluster]) -> list[Cluster]:
    """The clusters that a store may be meant to use: the one that it names, else all."""
    wanted = store.get("ceph_cluster")
    return [cluster for cluster in clusters if wanted is None or cluster.get("name") == wanted]


def cluster_of(store: Store, clusters: Sequence[Cluster]) -> Cluster | None:
    """The declared cluster of an rbd store that names no configuration file itself."""
    if store.get("type") != "rbd" or store.get("rbd_store_ceph_conf") is not None:
        return None
    found = clusters_in_reach(store, clusters)
    return found[0] if len(found) == 1 else None


def users_of(cluster: Cluster) -> list[str]:
    return [str(keyring["user"]) for keyring in cluster.get("keyrings") or [] if keyring.get("user")]


def derived_options(store: Store, clusters: Sequence[Cluster], directory: str) -> dict[str, str]:
    """What a store's section says because of its cluster; ``directory`` is where the service sees the files."""
    cluster = cluster_of(store, clusters)
    if cluster is None:
        return {}
    users = users_of(cluster)
    return {"rbd_store_ceph_conf": f"{directory}/{_conf_name(cluster)}", **({"rbd_store_user": users[0]} if len(users) == 1 else {})}


def render_ceph_files(clusters: Sequence[Cluster], directory: str, header: str) -> list[dict[str, str]]:
    """Name and text of each file; ``conf`` and ``key`` hold their text by now, wherever it came from."""
    files = []
    for cluster in clusters:
        paths = {user: f"{directory}/{_keyring_name(cluster, user)}" for user in users_of(cluster)}
        files.append({"name": _conf_name(cluster), "text": f"{header}\n\n{_with_keyrings(str(cluster['conf']), paths)}"})
        for keyring in cluster.get("keyrings") or []:
            user = str(keyring["user"])
            files.append({"name": _keyring_name(cluster, user), "text": f"{header}\n\n{section(f'client.{user}', [('key', str(keyring['key']).strip())])}"})
    return files


def _conf_name(cluster: Cluster) -> str:
    # The lint asks before it has refused a cluster without a name.
    return f"{cluster.get('name')}.conf"


def _keyring_name(cluster: Cluster, user: str) -> str:
    return f"{cluster.get('name')}.client.{user}.keyring"


def _with_keyrings(text: str, paths: Mapping[str, str]) -> str:
    """A cluster's configuration that tells each client where its keyring is; anything else that it says about that is dropped."""
    lines: list[str] = []
    client: str | None = None
    missing = dict(paths)
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            client = line.strip("[]").strip().removeprefix("client.")
            lines.append(line)
            if client in missing:
                lines.append(f"keyring = {missing.pop(client)}")
        elif client not in paths or not re.match(r"keyring\s*=", line):
            lines.append(line)
    body = "\n".join(lines).rstrip("\n") + "\n"
    return "\n".join([body, *(section(f"client.{user}", [("keyring", path)]) for user, path in missing.items())])


def key_in(text: str, user: str) -> str | None:
    """The key of a user in the text of a keyring."""
    # Ceph indents what is no continuation.
    lines = "\n".join(map(str.strip, text.splitlines()))
    return next(iter(parse(lines).get(f"client.{user}", {}).get("key", [])), None)


def resolved(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The clusters with the text of their files in the place of ``src``: as ``text``, which the role has read."""
    shown: list[Cluster] = []
    for cluster in clusters:
        keyrings = [
            {**keyring, "key": key_in(str(keyring["text"]), str(keyring["user"]))} if keyring.get("text") is not None else keyring
            for keyring in cluster.get("keyrings") or []
        ]
        shown.append({**cluster, "keyrings": keyrings, **({"conf": cluster["text"]} if cluster.get("text") is not None else {})})
    return shown


def shape_finding(clusters: Any) -> Finding | None:
    """A mistake that would make everything else stumble."""
    if not isinstance(clusters, (list, tuple)) or not all(isinstance(cluster, Mapping) for cluster in clusters):
        return "it is not a list of dictionaries", "Give a list of dictionaries, each with name, conf and keyrings"
    for cluster in clusters:
        keyrings = cluster.get("keyrings")
        if keyrings is not None and (not isinstance(keyrings, (list, tuple)) or not all(isinstance(keyring, Mapping) for keyring in keyrings)):
            return "keyrings is not a list of dictionaries", "Give a list of dictionaries, each with user and key"
    return None


def cluster_findings(clusters: Sequence[Cluster]) -> Iterator[tuple[str, Finding]]:
    """The label of a cluster or keyring, and what is wrong with it. No key is ever repeated."""
    seen: set[str] = set()
    for number, cluster in enumerate(clusters, start=1):
        name = cluster.get("name")
        label = f"ceph cluster {name or number}"
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            yield label, ("its name cannot be the name of a file", "Use letters, digits, '_' and '-'")
        elif name in seen:
            yield label, ("another cluster has the same name", "Give every cluster a name of its own")
        seen.add(str(name))
        yield from ((label, finding) for finding in _unknown(cluster, CLUSTER))
        if (cluster.get("conf") is None) == (cluster.get("src") is None):
            yield label, ("it needs either conf or src", "Give the text of its ceph.conf as conf, or the path of that file on the controller as src")
        elif cluster.get("conf") is not None and "[global]" not in str(cluster["conf"]):
            yield label, ("conf has no section [global]", "Give the text of a ceph.conf, as «ceph config generate-minimal-conf» prints it")
        users: set[str] = set()
        for keyring in cluster.get("keyrings") or []:
            yield from ((label, finding) for finding in _keyring_findings(keyring, users))


def _keyring_findings(keyring: Mapping[str, Any], users: set[str]) -> Iterator[Finding]:
    user = keyring.get("user")
    if not isinstance(user, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", user):
        yield "a keyring has no user that can be the name of a file", "Add user, for example glance"
    elif user.startswith("client."):
        yield f"the user '{user}' has a prefix that Ceph adds itself", f"Write user: {user.removeprefix('client.')}"
    elif user in users:
        yield f"the user '{user}' has two keyrings", "Keep one of them"
    users.add(str(user))
    yield from _unknown(keyring, KEYRING)
    if (keyring.get("key") is None) == (keyring.get("src") is None):
        advice = "Give the key that «ceph auth get-key» prints as key, or the path of a keyring on the controller as src"
        yield f"the keyring of user '{user}' needs either key or src", advice
    elif keyring.get("key") is not None and not _is_key(str(keyring["key"])):
        yield f"the key of user '{user}' is no key of Ceph", "Give what «ceph auth get-key» prints"
    elif keyring.get("text") is not None and not _is_key(key_in(str(keyring["text"]), str(user)) or ""):
        yield f"the file that src names holds no key of client.{user}", f"Give the file that «ceph auth get client.{user}» prints"


def _unknown(given: Mapping[str, Any], known: Sequence[str]) -> Iterator[Finding]:
    # `text` is what the role has read from src.
    for option in sorted(set(map(str, given)) - {*known, "text"}):
        yield f"{option} is no option of it", f"Use {', '.join(known)}"


def _is_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value.strip(), validate=True)) >= SHORTEST_KEY
    except (binascii.Error, ValueError):
        return False


def store_findings(store: Store, clusters: Sequence[Cluster], conf: Any, user: Any) -> Iterator[Finding]:
    """What is wrong between an rbd store and the clusters; ``conf`` and ``user`` are what its driver sees without them."""
    wanted = store.get("ceph_cluster")
    if wanted is not None and store.get("rbd_store_ceph_conf") is not None:
        yield "ceph_cluster and rbd_store_ceph_conf exclude each other", "Keep one of them"
        return
    found = clusters_in_reach(store, clusters)
    if wanted is not None and not found:
        names = ", ".join(str(cluster.get("name")) for cluster in clusters) or "none"
        yield f"glance_stores_ceph has no cluster '{wanted}'", f"Name one that is there ({names}), or add it"
    elif len(found) > 1 and conf is None:
        yield f"glance_stores_ceph has {len(found)} clusters and the store names none", "Add ceph_cluster"
    elif len(found) == 1 and conf is None:
        users = users_of(found[0])
        if user is None and len(users) > 1:
            yield f"its cluster has keyrings of {', '.join(users)} and the store names none", "Add rbd_store_user"
        elif user is not None and users and str(user) not in users:
            yield f"its cluster has no keyring of user '{user}'", f"Add the keyring to glance_stores_ceph, or set rbd_store_user to {' or '.join(users)}"
