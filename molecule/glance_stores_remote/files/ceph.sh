#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ceph.sh <key of client.glance> <S3 secret>: a Ceph cluster of one monitor, one object store in memory and a gateway for S3.
set -euo pipefail

key=$1 secret=$2
fsid=1b0a5c3e-6a0f-4d0b-8a52-6a3c4d4e0001
mkdir -p /etc/ceph /var/lib/ceph/mon/ceph-a /var/lib/ceph/osd/ceph-0 /var/lib/ceph/radosgw/ceph-rgw /run/ceph
cat >/etc/ceph/ceph.conf <<CONF
[global]
fsid = $fsid
mon_host = v1:127.0.0.1:6789
mon_initial_members = a
public_bind_addr = 127.0.0.1
ms_bind_msgr2 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
auth_allow_insecure_global_id_reclaim = false
osd_objectstore = memstore
memstore_device_bytes = 1073741824
rgw_frontends = beast endpoint=127.0.0.1:7480
CONF

# The cluster's own keys, and those of its users.
ceph-authtool --create-keyring /tmp/mon.keyring --gen-key -n mon. --cap mon 'allow *'
ceph-authtool --create-keyring /etc/ceph/ceph.client.admin.keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool --create-keyring /var/lib/ceph/osd/ceph-0/keyring --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
ceph-authtool --create-keyring /var/lib/ceph/radosgw/ceph-rgw/keyring --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
ceph-authtool --create-keyring /tmp/glance.keyring --add-key "$key" -n client.glance --cap mon 'profile rbd' --cap osd 'profile rbd pool=images'
for keyring in /etc/ceph/ceph.client.admin.keyring /var/lib/ceph/osd/ceph-0/keyring /var/lib/ceph/radosgw/ceph-rgw/keyring /tmp/glance.keyring; do
    ceph-authtool /tmp/mon.keyring --import-keyring "$keyring"
done

monmaptool --create --fsid "$fsid" --addv a '[v1:127.0.0.1:6789]' /tmp/monmap
ceph-mon --mkfs -i a --monmap /tmp/monmap --keyring /tmp/mon.keyring
systemd-run --quiet --unit=server-mon ceph-mon -f -i a
ceph --connect-timeout 30 osd new "$(cat /proc/sys/kernel/random/uuid | tee /tmp/osd.uuid)"
ceph-osd -i 0 --mkfs --osd-uuid "$(cat /tmp/osd.uuid)" --no-mon-config
ceph osd crush add osd.0 1.0 root=default host="$(hostname)"
systemd-run --quiet --unit=server-osd ceph-osd -f -i 0
for _ in $(seq 60); do
    ceph osd stat | grep -q '1 up' && break
    sleep 0.5
done

# What an operator prepares for Glance.
ceph osd pool create images 4
ceph osd pool application enable images rbd
radosgw-admin user create --uid=glance --display-name=Glance --access-key=molecule-s3 --secret-key="$secret" >/dev/null
radosgw-admin user create --uid=stranger --display-name=Stranger --access-key=molecule-stranger --secret-key="$secret" >/dev/null
systemd-run --quiet --unit=server-s3 radosgw -f --name client.rgw --keyring /var/lib/ceph/radosgw/ceph-rgw/keyring
touch /var/lib/ceph/started
