# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the host is asked to do, for any POSIX shell: sh and the smallest tools, and no single quotes, since each script is quoted twice or more."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

# How a script ends where a step of it has failed; the scripts use these numbers.
NO_PLACE, NOT_WRITTEN, NOT_WHOLE, NO_OWNER, NOT_MOVED, NO_BACKUP, NO_RECORD, NOT_RUN, CHANGED_MEANWHILE, NOT_REMOVED = range(40, 50)

_COMMON = r"""
LC_ALL=C
export LC_ALL
umask 077
have() { command -v "$1" >/dev/null 2>&1; }
say() { printf "%s\n" "$*"; }
digest() {
    case $tool in
        openssl) sum=$(openssl dgst -sha256 -r <"$1") ;;
        *) sum=$("$tool" <"$1") ;;
    esac
    say "${sum%% *}"
}
"""

# One fact a line.
_LOOK = r"""
for tool in sha256sum openssl md5sum ""; do
    [ -z "$tool" ] || ! have "$tool" || break
done
say "tool=$tool"
say "uid=$(id -u)"
say "user=$(id -un 2>/dev/null)"
[ ! -d "$directory" ] || say "directory=yes"
[ ! -w "$directory" ] || say "writable=yes"
look() {
    if [ -f "$2" ]; then
        say "$1.kind=file"
        say "$1.ls=$(ls -lnL "$2")"
        [ -z "$tool" ] || [ ! -r "$2" ] || say "$1.digest=$(digest "$2")"
        [ ! -r "$2" ] || say "$1.told=$(sed -n -e "1,${lines}s|^$marker||p" -e "${lines}q" "$2")"
    elif [ -e "$2" ] || [ -L "$2" ]; then
        say "$1.kind=other"
    fi
    [ ! -r "$3" ] || say "$1.recorded=$(cat "$3")"
}
look plugin "$plugin" "$plugin_record"
look config "$config" "$config_record"
"""

_STEPS = r"""
keep() {
    [ -n "$backup" ] || return 0
    kept=$backup.$$.part
    mkdir -p "${backup%/*}" && cp "$path" "$kept" && [ "$(digest "$kept")" = "$seen" ] && chmod 0600 "$kept" && mv -f "$kept" "$backup" || exit 45
}
same() {
    if [ -f "$path" ]; then
        [ "$(digest "$path")" = "$seen" ] || exit 48
    fi
}
try() {
    # XAPI starts plugins in the root directory.
    answer=$(cd / && "$1" "$call" </dev/null)
    code=$?
    say "$answer"
    case $code$answer in
        0*"<methodResponse>"*"<value>"*Success"<"* | 0*"<methodResponse>"*"<value>"*UNKNOWN_XENAPI_PLUGIN_FUNCTION"<"*) return 0 ;;
    esac
    for found in $interpreters; do
        ! have "$found" || say "found $found" >&2
    done
    say "ended with code $code" >&2
    exit 47
}
clean() { rm -f ${part:+"$part"} ${noted:+"$noted"} ${kept:+"$kept"}; }
trap clean EXIT
trap "exit 41" HUP INT TERM PIPE
"""

# The content comes by standard input. A lost connection ends it too: then the content is incomplete, and is removed.
_INSTALL = r"""
for old in "${path%/*}/.${path##*/}".*.part; do
    pid=${old%.part}
    pid=${pid##*.}
    [ ! -f "$old" ] || kill -0 "$pid" 2>/dev/null || rm -f "$old"
done
part=${path%/*}/.${path##*/}.$$.part
noted=$record.$$.part
: >"$part" || exit 40
cat >"$part" || exit 41
[ "$(digest "$part")" = "$wanted" ] || exit 42
chown "$owner" "$part" && chmod "$mode" "$part" || exit 43
[ -z "$call" ] || try "$part"
same
keep
mkdir -p "${record%/*}" && say "$wanted" >"$noted" && mv -f "$noted" "$record" || exit 46
mv -f "$part" "$path" || exit 44
"""

_ADJUST = r"""
chown "$owner" "$path" && chmod "$mode" "$path" || exit 43
[ -z "$call" ] || try "$path"
"""

_REMOVE = r"""
same
keep
rm -f "$path" && rm -f "$record" || exit 49
[ ! -d "${record%/*}" ] || rmdir "${record%/*}" 2>/dev/null || :
"""

_TRY = r"""
try "$path"
"""

SCRIPTS = {
    "look": _COMMON + _LOOK,
    "install": _COMMON + _STEPS + _INSTALL,
    "adjust": _COMMON + _STEPS + _ADJUST,
    "remove": _COMMON + _STEPS + _REMOVE,
    "try": _COMMON + _STEPS + _TRY,
}


def command(script: str, variables: Mapping[str, str]) -> str:
    """One word behind sh -c: connections and become put more behind a command, and a newline would end it."""
    given = "".join(f"{name}={_quoted(value)}\n" for name, value in variables.items())
    return f"sh -c {shlex.quote(given + SCRIPTS[script])}"


def facts(output: str) -> dict[str, str]:
    """What the script look has printed."""
    pairs = (line.partition("=") for line in output.splitlines())
    return {name: value for name, found, value in pairs if found}


def _quoted(value: str) -> str:
    """For within double quotes; what shlex.quote does would multiply with each level of quoting."""
    for char in '\\"$`':
        value = value.replace(char, "\\" + char)
    return f'"{value}"'
