#!/bin/sh
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# demo_place.sh <link>: gives the demo a place below /var/lib where its services, which root runs as UID 42424, can get to when
# they may not pass the directories above the checkout. The link then leads there; elsewhere the demo makes a plain directory.
set -eu

link=$1
if [ -e "$link" ] || [ "$(id -u)" != 0 ] || setpriv --reuid=42424 --regid=42424 --clear-groups test -x "$(cd "$(dirname "$link")" && pwd -P)/."; then
    exit 0
fi
place=$(mktemp -d /var/lib/image-services-demo.XXXXXX)
chmod 0755 "$place"
ln -sfn "$place" "$link"
echo "The services run as UID 42424, who may not pass the directories above this checkout, so $link leads to $place."
