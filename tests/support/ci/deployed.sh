#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Container images on which Keystone, and on some releases Glance, is deployed already. The scenario glance_stores, which deploys
# them on an empty Debian, keeps one of each release; the other scenarios start from them where they find them.
#   deployed.sh name <suite>               prints the name that an image of this checkout has, whether or not it is there
#   deployed.sh choose <suite>             prints the image to start from: that one, or the empty Debian
#   deployed.sh keep <suite> <container>   makes the image of a container, unless there is one
set -euo pipefail

command=$1 suite=$2
repository=localhost/image-services-deployed
# Everything that such a host is made of: with another role, plugin or variable it is another image.
digest=$(find roles/keystone roles/glance roles/wsgi_service plugins .config/molecule molecule/glance_stores tests/support/ci/image.sh tests/support/ci/deployed.sh \
    -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
image=$repository:$suite-$digest

case $command in
    name)
        echo "$image"
        ;;
    choose)
        podman image exists "$image" || image=localhost/image-services:$suite
        echo "$image"
        ;;
    keep)
        podman image exists "$image" && exit
        # Of earlier checkouts; one that a container runs from stays.
        podman image ls --quiet --filter "reference=$repository:$suite-*" | xargs --no-run-if-empty podman image rm >/dev/null 2>&1 || true
        podman commit --quiet --pause "$3" "$image-new" >/dev/null
        # What that scenario has prepared for itself goes.
        podman build --quiet --network none --tag "$image" - >/dev/null <<CONTAINERFILE
FROM $image-new
RUN rm -rf /srv/images /etc/systemd/system/glance.service.d /root/.ansible
CONTAINERFILE
        podman image untag "$image-new"
        echo "kept $image"
        ;;
esac
