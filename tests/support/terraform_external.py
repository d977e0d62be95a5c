# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Terraform's provider hashicorp/external: its data source over the plugin protocol, version 5. Stricter than the provider: the program
gets the variables of the test alone, and one that succeeds writes nothing to standard error."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import msgpack

ADDRESS = "registry.terraform.io/hashicorp/external"
# Numbers of fields in the protocol's messages.
REQUIRED, OPTIONAL, COMPUTED = 4, 5, 6
ATTRIBUTES: Mapping[str, tuple[Any, int]] = {
    "id": ("string", COMPUTED),
    "program": (["list", "string"], REQUIRED),
    "query": (["map", "string"], OPTIONAL),
    "result": (["map", "string"], COMPUTED),
    "working_dir": ("string", OPTIONAL),
}
Handler = Callable[[bytes], bytes]


class ExternalProvider:
    """Serves the runs of Terraform that are started with ``environment``; programs run in their directory, with their variables."""

    def __init__(self, socket: Path, directory: Path, variables: Mapping[str, str]) -> None:
        self.runs = 0
        self._directory = directory
        self.variables = dict(variables)
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        handlers: dict[str, Handler] = {
            "GetSchema": _schema,
            "PrepareProviderConfig": lambda request: _field(1, _fields(request)[1]),
            "ValidateDataSourceConfig": lambda _request: b"",
            "Configure": lambda _request: b"",
            "ReadDataSource": self._read,
            "Stop": lambda _request: b"",
        }
        methods = {name: grpc.unary_unary_rpc_method_handler(_answering(handler)) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tfplugin5.Provider", methods)])
        self._server.add_insecure_port(f"unix:{socket}")
        place = {"Network": "unix", "String": str(socket)}
        attached = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": place}
        self.environment = {"TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: attached})}

    def __enter__(self) -> ExternalProvider:
        self._server.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.stop(grace=None).wait()

    def _read(self, request: bytes) -> bytes:
        config = msgpack.unpackb(_fields(_fields(request)[2])[1])
        self.runs += 1
        try:
            result = self._run(config)
        except ValueError as exc:
            severe = 1
            return _field(2, _field(1, severe) + _field(2, "External Program Execution Failed") + _field(3, str(exc)))
        return _field(1, _field(2, json.dumps({**config, "id": "-", "result": result})))

    def _run(self, config: Mapping[str, Any]) -> dict[str, str]:
        with subprocess.Popen(
            config["program"],
            cwd=self._directory / (config["working_dir"] or ""),
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            output, errors = process.communicate(json.dumps(config["query"] or {}))
        if process.returncode != 0 or errors:
            raise ValueError(f"Error Message: {errors}\nState: exit status {process.returncode}")
        result = json.loads(output)
        if not isinstance(result, dict) or not all(isinstance(value, str) for value in result.values()):
            raise ValueError(f"Program output must be a JSON encoded map of string keys and string values: {output}")
        return result


def _answering(handler: Handler) -> Callable[[bytes, Any], bytes]:
    return lambda request, _context: handler(request)


def _schema(_request: bytes) -> bytes:
    attributes = b"".join(_field(2, _field(1, name) + _field(2, json.dumps(kind)) + _field(presence, 1)) for name, (kind, presence) in ATTRIBUTES.items())
    return _field(1, _field(2, b"")) + _field(3, _field(1, "external") + _field(2, _field(2, attributes)))


# As much of protobuf as these messages use: numbers, and what has a length.


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _fields(message: bytes) -> dict[int, Any]:
    rest = iter(message)
    found: dict[int, Any] = {}
    for first in rest:
        found[first >> 3] = bytes(next(rest) for _dummy in range(_number(rest))) if first & 7 == 2 else _number(rest)
    return found


def _number(rest: Iterator[int]) -> int:
    value = shift = 0
    for byte in rest:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte <= 0x7F:
            break
    return value
