# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the filter in Glance's configuration, and where the commands find that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from glance_instance_aware import cli, settings
from glance_instance_aware.database import connect_args
from oslo_config import cfg
from sqlalchemy.engine import make_url

A = "aaaaaaaa-0000-4000-8000-000000000001"


def read(directory: Path, text: str) -> settings.Settings:
    path = directory / "glance-api.conf"
    path.write_text(text)
    conf = cfg.ConfigOpts()
    conf([], project="glance", default_config_files=[str(path)], default_config_dirs=[])
    return settings.read(conf)


def test_that_the_defaults_are_those_that_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, "[database]\nconnection = sqlite:////glance\n")
    assert found == settings.Settings("sqlite:////glance")


def test_that_all_of_it_can_be_set(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "[database]\nconnection = sqlite:////glance\n[glance_instance_aware]\nconnection = sqlite:////own\n"
        f"installations = user:a={A}, user:b={A}\ninstallations = *={A}\nkeep_nova_property = false\nservice_roles = Service, nova\nrequire_database = true\n"
        "max_instance_ids = 1\nmax_images = 2\nmax_body = 3\nchunk = 4\n",
    )
    assert [rule.kind for rule in found.installations] == ["user", "user", "*"]
    assert (found.connection, found.keep_nova_property, found.require_database) == ("sqlite:////own", False, True)
    assert found.service_roles == {"service", "nova"}
    assert (found.max_instance_ids, found.max_images, found.max_body, found.chunk) == (1, 2, 3, 4)


def test_that_parameters_of_glances_connection_count(tmp_path: Path) -> None:
    found = read(tmp_path, "[database]\nconnection = mysql+pymysql://a:p%25w@db/glance?charset=utf8\nconnection_parameters = connect_timeout=2&ssl_ca=x\n")
    url = make_url(found.connection)
    assert (url.password, dict(url.query)) == ("p%w", {"charset": "utf8", "connect_timeout": "2", "ssl_ca": "x"})
    # What the URL says is not said again.
    assert connect_args(url) == {"read_timeout": 30, "write_timeout": 30}


def test_that_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no database"):
        read(tmp_path, "[DEFAULT]\n")
    with pytest.raises(ValueError, match="Cannot use the installation"):
        read(tmp_path, "[database]\nconnection = sqlite:////glance\n[glance_instance_aware]\ninstallations = everybody\n")


@pytest.mark.parametrize("way", ["files", "environment", "directory"])
def test_where_commands_find_the_configuration(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("OS_GLANCE_CONFIG_DIR", raising=False)
    (tmp_path / "glance-api.conf").write_text("[database]\nconnection = sqlite:////nonexistent/x\n")
    (tmp_path / "glance-api.conf.d").mkdir()
    (tmp_path / "glance-api.conf.d" / "60-instance-aware.conf").write_text(f"[glance_instance_aware]\nconnection = sqlite:///{tmp_path}/own.sqlite\n")
    words = []
    if way == "environment":
        monkeypatch.setenv("OS_GLANCE_CONFIG_DIR", str(tmp_path))
    if way != "environment":
        words = ["--config-file", str(tmp_path / "glance-api.conf"), "--config-dir", str(tmp_path / "glance-api.conf.d")]
    assert cli.main([*words, "upgrade"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is True
    assert (tmp_path / "own.sqlite").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[database]\nconnection = postgresql+psycopg://glance:geheim@127.0.0.1:1/glance\n", "the database failed with"),
        ("[database]\nconnection = nonesuch://glance:geheim@db/glance\n", "the database failed with"),
        ("[database]\nconnection = geheim\n", "the database failed with"),
        ("[DEFAULT]\n", "there is no database"),
        ("nonsense\n", ""),
    ],
)
def test_that_commands_fail_with_a_sentence(tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "glance-api.conf").write_text(text)
    for command in (["version"], ["upgrade"], ["repair"], ["drop", "--yes"]):
        assert cli.main(["--config-file", str(tmp_path / "glance-api.conf"), *command]) == 1
        said = capsys.readouterr()
        assert reason in said.err
        assert not said.out
        assert "geheim" not in said.err
        assert "Traceback" not in said.err


def test_that_a_configuration_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--config-file", str(tmp_path / "none.conf"), "version"]) == 1
    assert "none.conf" in capsys.readouterr().err
