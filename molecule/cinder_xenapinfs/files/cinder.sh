#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# cinder.sh <uv> <password of user cinder>: Cinder as three services over RabbitMQ, without a backend.
set -euo pipefail

here=$(dirname "$0") uv=$1 password=$2
"$uv" venv --quiet --no-project --python /usr/bin/python3 /opt/cinder
"$uv" pip sync --quiet --require-hashes --compile-bytecode --python /opt/cinder/bin/python "$here/cinder.txt"
ln -s /opt/cinder/bin/cinder-volume /usr/local/bin/cinder-volume
useradd --system --home-dir /var/lib/cinder --create-home --shell /usr/sbin/nologin cinder
mkdir -p /etc/cinder
cp -r /opt/cinder/etc/cinder/{api-paste.ini,resource_filters.json,rootwrap.conf,rootwrap.d} /etc/cinder/
# Cinder itself looks into images with the rights of root.
sed -i 's|^exec_dirs=|exec_dirs=/opt/cinder/bin,|' /etc/cinder/rootwrap.conf
cat >/etc/sudoers.d/cinder <<SUDO
Defaults:cinder secure_path=/opt/cinder/bin:/usr/sbin:/usr/bin:/sbin:/bin, !requiretty
cinder ALL=(root) NOPASSWD: /opt/cinder/bin/cinder-rootwrap /etc/cinder/rootwrap.conf *
SUDO
chmod 0440 /etc/sudoers.d/cinder
install -d -o cinder -g cinder /var/lib/cinder/{conversion,locks,coordination}

cat >/etc/cinder/cinder.conf <<CONF
# A comment of the operator's.
[DEFAULT]
transport_url = rabbit://cinder:$password@127.0.0.1:5672/
auth_strategy = keystone
osapi_volume_listen = 127.0.0.1
osapi_volume_workers = 1
state_path = /var/lib/cinder
image_conversion_dir = /var/lib/cinder/conversion
glance_api_servers = http://127.0.0.1:9292

[database]
connection = sqlite:////var/lib/cinder/cinder.sqlite?timeout=60

[keystone_authtoken]
auth_type = password
auth_url = http://127.0.0.1:5000/v3
username = cinder
password = $password
project_name = service
user_domain_name = Default
project_domain_name = Default

[oslo_concurrency]
lock_path = /var/lib/cinder/locks

# Those of its capabilities that a container has.
[cinder_sys_admin]
capabilities = CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_SYS_ADMIN

[coordination]
backend_url = file:///var/lib/cinder/coordination
CONF
chown root:cinder /etc/cinder/cinder.conf
chmod 0640 /etc/cinder/cinder.conf

rabbitmqctl add_user cinder "$password"
rabbitmqctl set_permissions cinder '.*' '.*' '.*'
setpriv --reuid=cinder --regid=cinder --init-groups /opt/cinder/bin/cinder-manage db sync
for service in api scheduler volume; do
    cat >"/etc/systemd/system/cinder-$service.service" <<UNIT
[Unit]
Description=OpenStack Cinder $service
After=network.target rabbitmq-server.service
[Service]
User=cinder
ExecStart=/opt/cinder/bin/cinder-$service
[Install]
WantedBy=multi-user.target
UNIT
done
systemctl daemon-reload
# cinder-volume does not start without a backend.
systemctl enable --quiet cinder-volume
systemctl enable --quiet --now cinder-api cinder-scheduler
touch /etc/cinder/started
