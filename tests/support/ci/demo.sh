#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The demo as a newcomer meets it, in a copy of this checkout, as an ordinary user with an empty home: in check mode, for real, again without a
# change, the commands that it ends with, as it prints them, and away.
set -euo pipefail

work=$(mktemp -d "${TMPDIR:-/tmp}/image-services-demo.XXXXXX")
place=$work/ansible_collections/xenstack/image_services
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset MAKEFLAGS MAKELEVEL MFLAGS PYTHON ANSIBLE_CONFIG
as=(env "HOME=$work/home" "PATH=$path")
# The copy ends what it has started, whatever happens.
trap '{ [ ! -e "$place/Makefile" ] || "${as[@]}" make -C "$place" clean; } >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

tests/support/ci/tree.sh "$work"
mkdir "$work/home"
if [ "$(id -u)" = 0 ]; then
    # What an ordinary user would be told to let root install.
    PATH=$path tests/support/ci/packages.sh python openssl
    chmod 755 "$work"
    chown -R 65534:65534 "$work"
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups "${as[@]}")
fi

"${as[@]}" make -C "$place" .venv/.stamp .build/collection
# Nothing is there yet, and a check run says so without an error and leaves nothing.
(cd "$place" && "${as[@]}" .venv/bin/ansible-playbook --check playbooks/demo.yml)
if [ -e "$place/.demo" ]; then
    echo "Cannot check the demo: the check run created .demo." >&2
    exit 1
fi
"${as[@]}" make -C "$place" demo
again=$("${as[@]}" make -C "$place" demo)
unchanged() {
    if ! grep -Eq '^localhost .* changed=0 .* failed=0 ' <<<"$2"; then
        printf '%s\n' "$2"
        echo "Cannot repeat $1: the second run changed something." >&2
        exit 1
    fi
}
unchanged "the demo" "$again"

mapfile -t commands < <(sed -n 's/^  \(\.demo[^#]*[^# ]\) .*#.*/\1/p' <<<"$again")
if [ "${#commands[@]}" != 3 ]; then
    printf '%s\n' "$again"
    echo "Cannot try the demo: it ends with ${#commands[@]} commands, not 3." >&2
    exit 1
fi
try() { (cd "$place" && "${as[@]}" sh -c "$1"); }
for command in "${commands[@]}"; do
    echo "\$ $command"
    try "$command"
done
unchanged "'${commands[1]}'" "$(try "${commands[1]}")"
images=$(try "${commands[0]}")
printf '%s\n' "$images"
for row in "demo-disk .* archive, fast" "my-image .* archive, fast" "demo-snapshot .* archive"; do
    if ! grep -Eq "^\| $row +\|" <<<"$images"; then
        echo "Cannot try the demo: the list of images has no '$row'." >&2
        exit 1
    fi
done

"${as[@]}" make -C "$place" demo-stop
"${as[@]}" make -C "$place" clean
if left=$(grep -lsF -f <(echo "$place") /proc/[0-9]*/cmdline); then
    echo "Cannot end the demo: $left is left." >&2
    exit 1
fi
for name in .demo .build .test .venv; do
    if [ -e "$place/$name" ]; then
        echo "Cannot clean the checkout: $name is left." >&2
        exit 1
    fi
done
echo "The demo ran twice as an ordinary user, and left nothing."
