#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# image.sh <suite>: makes the container image localhost/image-services:<suite>, Debian with systemd and sshd, from the archive
# that this host itself installs from. The file system is kept in .build/images; the image's label tells whether it is still right.
set -euo pipefail

suite=$1
image=localhost/image-services:$suite
packages=systemd-sysv,dbus,openssh-server,python3,python3-apt,ca-certificates,iproute2,procps
# What is installed in there over the network trusts what this host trusts: its certificates are mounted, this names them, and uv's cache.
bundle=/etc/ssl/certs/ca-certificates.crt
hook="echo SetEnv SSL_CERT_FILE=$bundle REQUESTS_CA_BUNDLE=$bundle UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy >\"\$1/etc/ssh/sshd_config.d/trust.conf\""
# As in the environments of the tests: a role's tasks send few modules many times.
tasks=tests/support/ci/quick_tasks.py
packages_dir=/usr/lib/python3/dist-packages
recipe=$(cat "${BASH_SOURCE[0]}" "$tasks" | sha256sum | cut -c1-16)
tarball=.build/images/$suite-$recipe.tar

if [ "$(podman image inspect --format '{{index .Labels "recipe"}}' "$image" 2>/dev/null)" = "$recipe" ]; then
    exit
fi
if [ ! -e "$tarball" ]; then
    archive=$(apt-get indextargets --format "\$(REPO_URI) \$(LABEL) \$(COMPONENT)" 'Identifier: Packages' | sed -n 's/ Debian main$//p' | sed -n 1p)
    mkdir -p .build/images
    mmdebstrap --quiet --mode=root --format=tar --variant=minbase --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --include="$packages" --customize-hook="$hook" \
        --customize-hook="copy-in $tasks $packages_dir" --customize-hook="echo 'import quick_tasks' >\"\$1$packages_dir/quick_tasks.pth\"" "$suite" "$tarball.new" "$archive"
    mv "$tarball.new" "$tarball"
fi
echo "built $image"
podman import --quiet --change 'CMD ["/sbin/init"]' --change STOPSIGNAL=SIGRTMIN+3 --change "LABEL recipe=$recipe" "$tarball" "$image" >/dev/null
