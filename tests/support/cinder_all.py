# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cinder's API, scheduler, backup and volume services in one process, which is all that messages of ``fake://`` reach.

Run by Cinder's own interpreter: ``cinder_all.py --config-file cinder.conf``. Each service is started as its own program starts it.
"""

from cinder import monkey_patch

monkey_patch.patch()

import contextlib  # noqa: E402
import sys  # noqa: E402

import eventlet  # noqa: E402
import os_brick  # noqa: E402
from cinder import i18n  # noqa: E402
from os_brick import privileged  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_db import exception as db_exc  # noqa: E402
from oslo_log import log as logging  # noqa: E402
from oslo_service import service as oslo_service  # noqa: E402

i18n.enable_lazy()
from cinder import context, coordination, objects, privsep, rpc, service, utils, version  # noqa: E402
from cinder.cmd import volume  # noqa: E402
from cinder.common import config  # noqa: E402

CONF = cfg.CONF


class OneOfSeveral(service.Service):
    """Cinder takes a process for one service, and keeps the id of the last one that was started for all that the process does."""

    ready = False

    def start(self) -> None:
        super().start()
        self.ready = True

    def report_state(self) -> None:
        # That id stays: a volume is put in error after a kill if it was being created by the service that starts again.
        with contextlib.suppress(db_exc.DBError):
            own = objects.Service.get_by_id(context.get_admin_context(), self.origin_service_id)
            own.report_count += 1
            own.save(retry=False)


def keep_telling(manager: object) -> None:
    """The scheduler hears of the service for backups every minute otherwise, and not at first where it started later."""
    while True:
        eventlet.sleep(2)
        manager.publish_service_capabilities(context.get_admin_context())


def main() -> None:
    objects.register_all()
    CONF(sys.argv[1:], project="cinder", version=version.version_string())
    config.set_middleware_defaults()
    logging.setup(CONF, "cinder")
    # Nothing here needs another user's rights: files that Cinder would look at as root are its own.
    privsep.sys_admin_pctxt.set_client_mode(False)
    privileged.default.set_client_mode(False)
    utils.get_root_helper = lambda: "env"
    os_brick.setup(CONF)
    coordination.COORDINATOR.start()
    rpc.init(CONF)
    launcher = oslo_service.ServiceLauncher(CONF)
    launcher.launch_service(OneOfSeveral.create(binary="cinder-scheduler"))
    backup = OneOfSeveral.create(binary="cinder-backup", service_name="backup", coordination=True)
    launcher.launch_service(backup)
    eventlet.spawn(keep_telling, backup.manager)
    backends = []
    for backend in filter(None, CONF.enabled_backends or []):
        CONF.register_opt(volume.host_opt, group=backend)
        backends.append(OneOfSeveral.create(host=f"{CONF.host}@{backend}", service_name=backend, binary="cinder-volume", coordination=True))
        launcher.launch_service(backends[-1])
    # A starting service puts every volume that is being created in error, also those requested since its start.
    while not all(backend.ready for backend in backends):
        eventlet.sleep(0.05)
    launcher.launch_service(service.WSGIService("osapi_volume"))
    launcher.wait()


if __name__ == "__main__":
    main()
