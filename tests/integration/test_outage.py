# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usual changes of a site leave a Glance that serves: what it is started with is valid at every moment, and a wrong password changes nothing."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support import sweep
from ansible_collections.xenstack.image_services.tests.support.aware import AwareCloud
from ansible_collections.xenstack.image_services.tests.support.deployment import control
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.site_change import ALL, DEPLOYED, PLAIN, RICH, Site

WRONG = "wr0ng-s3cret"
# At least so many tasks change something on the way in either direction, and at most so many.
FEWEST, MOST = 7, 13
CUTS = sweep.sample(range(1, MOST + 1), 1, "power cut")


@pytest.fixture(scope="module")
def site(aware_cloud: AwareCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    cloud = aware_cloud.cloud
    site = Site(cloud, tmp_path_factory.mktemp("site") / "changes")
    assert site.served() == DEPLOYED
    yield site
    served = site.served()
    if served != DEPLOYED:
        filter_alone = served is not None and (served.caching, served.third_store) == (DEPLOYED.caching, DEPLOYED.third_store)
        site.run(DEPLOYED, roles=["glance_instance_aware"] if filter_alone else ALL).succeeded()
    run_module("glance_store_dir", {"path": str(cloud.store_directory("third")), "state": "absent"}).succeeded()


def test_glance_and_its_stores_alone_keep_the_filter(site: Site) -> None:
    """The role of the filter is not in the play, and what it has derived is right all the same."""
    derived = site.config / "glance-api-paste-instance-aware.ini"
    # As in the environment of a new version.
    [pth] = (site.cloud.base / "glance" / "venvs").glob("*/lib/*/site-packages/image_services_extensions.pth")
    pth.unlink()
    site.run(RICH, roles=["glance", "glance_stores"]).succeeded()
    assert site.served() == RICH
    assert pth.read_text() == f"{site.cloud.base}/glance/extensions\n"
    base = (site.config / "glance-api-paste.ini").read_text()
    assert [line.replace(" instance_aware", "") for line in derived.read_text().splitlines()][: len(base.splitlines())] == base.splitlines()


@pytest.mark.parametrize("cut", CUTS)
def test_a_run_that_is_cut_short_leaves_a_glance_that_the_next_run_brings_up(site: Site, cut: int) -> None:
    """All of it changes on the way, in one run or in two."""
    wanted = PLAIN if site.served() == RICH else RICH
    cut_run = site.run(wanted, cut_after=cut)
    changes = site.changes()
    if len(changes) < cut:
        # There is no such change on the way from here to there: the run has ended, and this is the same as no cut.
        assert cut > FEWEST
        cut_run.succeeded()
        assert site.served() == wanted
    else:
        assert (cut_run.returncode, len(changes)) == (-9, cut), cut_run.output
        # A host that is started again at this very moment comes up with what is there.
        assert control("glance", site.cloud.base, "restart").endswith("glance started\n")
        if cut % 2:
            control("glance", site.cloud.base, "stop")
    site.run(wanted).succeeded()
    assert len(changes) + len(site.changes()) >= FEWEST
    assert site.served() == wanted


def test_a_second_run_changes_nothing(site: Site) -> None:
    served = site.served()
    assert served is not None
    assert site.run(served).succeeded().changed == 0, site.changes()


# With the cache, Glance looks for its database before it answers at all; without, at the first request.
NO_ANSWER = r"Glance answered (401|500|503)|does not answer within|it ends right after its start"
# Whether Glance was ever started with it comes last.
WRONG_SETTINGS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "database": ({"database": {"connection": f"mysql+pymysql://glance:{WRONG}@127.0.0.1:9/glance"}}, NO_ANSWER, True),
    "own password": ({"keystone_authtoken": {"password": WRONG}}, NO_ANSWER, True),
    "a file that is not there": ({"DEFAULT": {"log_config_append": "/no-such-file"}}, "it ends right after its start", True),
    "flavor": ({"paste_deploy": {"flavor": "none-such"}}, "has no pipeline for the flavor 'none-such'", False),
}


@pytest.mark.parametrize("case", sweep.sample(list(WRONG_SETTINGS), 1, "wrong settings"))
def test_a_change_that_glance_does_not_work_with_is_taken_back(site: Site, case: str) -> None:
    extra, cause, started = WRONG_SETTINGS[case]
    state = site.served()
    assert state is not None
    before, processes = site.configuration(), site.cloud.glance_processes()
    failed = site.run(state, roles=["glance"], glance_extra_config=extra, glance_start_timeout=120)
    assert failed.returncode == 2, failed.output
    said = " ".join(failed.output.replace("\\n", " ").split())
    assert "Cannot deploy Glance '33.0.0': " in said, said
    assert re.search(cause, said), said
    assert "The previous files are restored, and Glance runs as before. Fix the cause and run the role again." in said, said
    assert WRONG not in failed.output
    assert "Traceback" not in failed.output
    assert site.configuration() == before
    assert set(processes).isdisjoint(site.cloud.glance_processes()) is started, "it was restarted, and restarted again"
    assert site.served() == state


def test_a_wrong_password_of_the_own_user_is_taken_back(site: Site) -> None:
    state = site.served()
    assert state is not None
    before = site.configuration()
    auth = {"auth_url": site.cloud.auth("admin")["cloud"]["auth"]["auth_url"], "username": "glance", "password": WRONG}
    failed = site.run(state, roles=["glance"], glance_keystone_auth=auth)
    said = " ".join(failed.output.replace("\\n", " ").split())
    assert "gives no token to user 'glance'" in said
    assert WRONG not in failed.output
    assert (failed.returncode, site.configuration(), site.served()) == (2, before, state)


def test_keystone_comes_back_as_well(site: Site) -> None:
    base = site.cloud.base
    file = base / "keystone" / "config" / "keystone.conf"
    before = file.read_text()
    wrong = {"identity": {"password_hash_rounds": 4}, "database": {"connection": f"mysql+pymysql://keystone:{WRONG}@127.0.0.1:9/keystone"}}
    failed = site.run(DEPLOYED, roles=["keystone"], keystone_extra_config=wrong)
    said = " ".join(failed.output.replace("\\n", " ").split())
    assert "Cannot deploy Keystone '30.0.0': " in said
    assert "The previous files are restored, and Keystone runs as before." in said
    assert WRONG not in failed.output
    assert (failed.returncode, file.read_text()) == (2, before)
    assert site.served() is not None


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a lower version": ("glance", {"glance_version": "32.0.0"}, "this role supports 33.0.0"),
    "a version that nobody has tried": ("glance", {"glance_version": "34.0.0"}, "Cannot deploy Glance '34.0.0': this role supports 33.0.0"),
    "lower than what serves": (
        "glance",
        {"glance_version": "32.0.0", "__glance_versions": ["32.0.0", "33.0.0"]},
        "version 33.0.0 is deployed on this host, and its database cannot be downgraded. Set glance_install_method to venv and glance_version to 33.0.0",
    ),
    "the distribution's": ("glance", {"glance_install_method": "package"}, "version 33.0.0 is deployed on this host, and its database cannot be downgraded"),
    "a Keystone that nobody has tried": ("keystone", {"keystone_version": "29.0.0"}, "Cannot deploy Keystone '29.0.0': this role supports 30.0.0"),
    "a Keystone lower than what serves": (
        "keystone",
        {"keystone_version": "29.0.0", "__keystone_versions": ["29.0.0", "30.0.0"]},
        "Cannot deploy Keystone '29.0.0': version 30.0.0 is deployed on this host",
    ),
}


@pytest.mark.parametrize("case", sweep.sample(list(REFUSED), 1, "refused versions"))
def test_a_version_that_would_not_work_is_refused_before_the_first_change(site: Site, case: str) -> None:
    role, variables, expected = REFUSED[case]
    failed = site.run(DEPLOYED, roles=[role], **variables)
    assert (failed.returncode, site.changes()) == (2, []), failed.output
    assert expected in " ".join(failed.output.replace("\\n", " ").split())
    with urllib.request.urlopen(f"http://127.0.0.1:{site.cloud.glance_port}/healthcheck", timeout=30) as answer:
        assert answer.status == 200
