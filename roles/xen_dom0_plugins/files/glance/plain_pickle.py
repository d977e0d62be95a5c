# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles of plain data, read without Python's own unpickler: nothing in them names code, so that none can run."""

import pickletools

MAX_BYTES = 128 << 10
MAX_OPCODES = 20000

MARK = object()
VALUES = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING")
VALUES += ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
GETS = ("GET", "BINGET", "LONG_BINGET")
NOTHING = ("PROTO", "FRAME")


class Refused(ValueError):
    """What is no pickle of plain data."""


def loads(data):
    """The value: of dictionaries, lists, tuples, text, numbers, truth values and None."""
    if len(data) > MAX_BYTES:
        raise Refused("it has more than %d bytes" % MAX_BYTES)
    machine = Machine()
    try:
        for count, (opcode, argument, _dummy) in enumerate(pickletools.genops(data)):
            if count > MAX_OPCODES:
                raise Refused("it has more than %d parts" % MAX_OPCODES)
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument)
    except Refused:
        raise
    except Exception:  # noqa: BLE001 the parser raises what it likes
        raise Refused("it is damaged")
    raise Refused("it is cut off")


class Machine(object):
    def __init__(self):
        self.stack = []
        self.memo = {}

    def result(self):
        if len(self.stack) != 1 or self.stack[0] is MARK:
            raise Refused("it is damaged")
        return self.stack[0]

    def step(self, name, argument):
        if name in NOTHING:
            return
        if name in VALUES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name == "MARK":
            self.stack.append(MARK)
        elif name in PUTS:
            self.memo[int(argument)] = self.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in GETS:
            self.stack.append(self.memo[int(argument)])
        else:
            self._collect(name)

    def top(self):
        if self.stack[-1] is MARK:
            raise Refused("it is damaged")
        return self.stack[-1]

    def pop(self):
        value = self.top()
        self.stack.pop()
        return value

    def _marked(self):
        """What is above the last mark."""
        items = []
        while self.stack[-1] is not MARK:
            items.append(self.stack.pop())
        self.stack.pop()
        return items[::-1]

    def _collect(self, name):
        if name in TUPLES:
            self.stack.append(tuple([self.pop() for dummy in range(TUPLES[name])][::-1]))
        elif name == "TUPLE":
            self.stack.append(tuple(self._marked()))
        elif name == "LIST":
            self.stack.append(self._marked())
        elif name == "DICT":
            self.stack.append({})
            self._items(self._marked_below())
        elif name == "APPEND":
            self._extend([self.pop()])
        elif name == "APPENDS":
            self._extend(self._marked())
        elif name == "SETITEM":
            self._items([self.pop(), self.pop()][::-1])
        elif name == "SETITEMS":
            self._items(self._marked())
        else:
            raise Refused("it holds %s, which is no plain data" % name)

    def _marked_below(self):
        made = self.stack.pop()
        items = self._marked()
        self.stack.append(made)
        return items

    def _extend(self, items):
        if not isinstance(self.top(), list):
            raise Refused("it is damaged")
        self.top().extend(items)

    def _items(self, items):
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise Refused("it is damaged")
        for key, value in zip(items[::2], items[1::2]):
            # A tuple of tuples of tuples as a key would be walked by its hash.
            if isinstance(key, (tuple, list, dict)):
                raise Refused("it has a key that is no plain value")
            target[key] = value
