#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# swift.sh <uv> <password of user swift>: Swift with one replica on a plain directory, which asks Keystone who calls.
set -euo pipefail

here=$(dirname "$0") uv=$1 password=$2
"$uv" venv --quiet --no-project --python /usr/bin/python3 /opt/swift
"$uv" pip sync --quiet --require-hashes --compile-bytecode --python /opt/swift/bin/python "$here/swift.txt"
mkdir -p /etc/swift /srv/swift/disk
cd /etc/swift
printf '[swift-hash]\nswift_hash_path_suffix = molecule\n' >swift.conf
printf '[memcache]\nmemcache_servers = 127.0.0.1:11211\n' >memcache.conf

port=6200
for server in object container account; do
    /opt/swift/bin/swift-ring-builder "$server.builder" create 4 1 0
    /opt/swift/bin/swift-ring-builder "$server.builder" add "r1z1-127.0.0.1:$port/disk" 1
    /opt/swift/bin/swift-ring-builder "$server.builder" rebalance
    cat >"$server-server.conf" <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
user = root
devices = /srv/swift
mount_check = false
workers = 0
[pipeline:main]
pipeline = $server-server
[app:$server-server]
use = egg:swift#$server
CONF
    port=$((port + 1))
done
cat >proxy-server.conf <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = 8080
user = root
workers = 0
[pipeline:main]
pipeline = catch_errors healthcheck cache authtoken keystoneauth dlo slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = http://127.0.0.1:5000/v3
auth_url = http://127.0.0.1:5000/v3
auth_type = password
username = swift
password = $password
project_name = service
user_domain_name = Default
project_domain_name = Default
delay_auth_decision = true
service_token_roles_required = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
[filter:dlo]
use = egg:swift#dlo
[filter:slo]
use = egg:swift#slo
CONF
for server in object container account proxy; do
    systemd-run --quiet --unit="server-swift-$server" "/opt/swift/bin/swift-$server-server" "/etc/swift/$server-server.conf"
done
touch started
