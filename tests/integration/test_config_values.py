# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is literal in the files of services that run, read by the programs that are installed for them."""

from __future__ import annotations

import json
import random
import subprocess

from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_file import written_value
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud

SUPERVISOR = """
import json, shlex, sys
from supervisor.options import UnhosedConfigParser, expand
read = []
for text in json.load(sys.stdin):
    parser = UnhosedConfigParser()
    parser.read_string("[program:a]\\ncommand = " + text + "\\n")
    read.append(shlex.split(expand(parser.get("program:a", "command"), {"here": "/"}, "command")))
print(json.dumps(read))
"""
OSLO = """
import sys
from oslo_config import cfg
conf = cfg.ConfigOpts()
conf.register_opt(cfg.StrOpt("password"), "keystone_authtoken")
conf(["--config-file", sys.argv[1]], project="none")
sys.stdout.write(conf.keystone_authtoken.password)
"""


def python(cloud: Cloud, program: str, *arguments: str, stdin: str = "") -> str:
    command = [str(cloud.base / "glance" / "current" / "bin" / "python"), "-c", program, *arguments]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_glance_runs_with_a_password_that_no_file_and_no_template_changes(cloud: Cloud) -> None:
    """Every test with a token has used it: Glance asks Keystone as this user. Where it is written, it comes back as it is."""
    config = cloud.base / "glance" / "config" / "glance-api.conf"
    assert python(cloud, OSLO, str(config)) == cloud.glance_password
    assert cloud.images("alice") is not None


def test_supervisor_itself_gives_every_argument_back(cloud: Cloud) -> None:
    draw = random.Random(11)
    lists = [["/usr/bin/env", *("".join(draw.choices("ab$%{}()'\"\\ \t#;:=,.|", k=draw.randrange(8))) for _number in range(3))] for _list in range(300)]
    texts = [written_value(arguments, "supervisor_command") for arguments in lists]
    assert json.loads(python(cloud, SUPERVISOR, stdin=json.dumps(texts))) == lists


def test_glance_offers_the_metadata_definitions_that_come_with_it(cloud: Cloud) -> None:
    answer = Connection(cloud.auth("admin")).glance.http.get("/v2/metadefs/namespaces", {"limit": 100})
    namespaces = {each["namespace"] for each in answer.json()["namespaces"]}
    files = (cloud.base / "glance" / "current" / "etc" / "glance" / "metadefs").glob("*.json")
    assert namespaces == {json.loads(path.read_text())["namespace"] for path in files}
    assert len(namespaces) == 32
