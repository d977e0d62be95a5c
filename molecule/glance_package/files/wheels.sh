#!/bin/sh
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# wheels.sh: fills /srv/offline/wheels by the commands of the guide, which are in the file commands, with uv and the packages of Glance. An index takes its
# time for each file, so the command for Glance runs for parts of the lock file beside each other.
set -eu

cd /srv/offline
# A Python with pip.
export PATH="/opt/keystone/uv/bin:$PATH" PIP_CACHE_DIR=/var/cache/uv/pip SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
locks=roles/glance/files parts='0 1 2 3 4 5'
mkdir -p wheels
running=
for part in $parts uv; do
    mkdir -p "$part/$locks"
    ln -sfn ../wheels "$part/wheels"
    case $part in
        uv)
            cp -r roles uv/
            grep uv.txt commands >uv/commands
            ;;
        *)
            awk -v "part=$part" '/^[a-z0-9]/ { count++ } count % 6 == part' "$locks/requirements-33.0.0.txt" >"$part/$locks/requirements-33.0.0.txt"
            grep "$locks" commands >"$part/commands"
            ;;
    esac
    (cd "$part" && exec sh -eu commands) &
    running="$running $!"
done
for each in $running; do
    wait "$each"
done
touch complete
