# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands: upgrade, version, repair and drop. Each prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from alembic.util import CommandError
from oslo_config import cfg
from sqlalchemy import exc

from glance_instance_aware import __version__, repair, schema, settings
from glance_instance_aware.database import cause, engine_of

Command = Callable[[argparse.Namespace, settings.Settings, Any], dict[str, Any]]


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="glance_instance_aware", description="Maintains the table of instance-aware images.")
    parser.add_argument(
        "--config-file", action="append", default=[], metavar="FILE", help="A configuration file of Glance. By default, the files that Glance itself finds."
    )
    parser.add_argument("--config-dir", action="append", default=[], metavar="DIRECTORY", help="A directory of configuration files.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="Print the version of the package and of the table.")
    commands.add_parser("upgrade", help="Create the table, or bring it up to date.")
    repairing = commands.add_parser("repair", help="Bring the table in line with the images in Glance.")
    repairing.add_argument("--dry-run", action="store_true", help="Print what would change, and change nothing.")
    dropping = commands.add_parser("drop", help="Remove the table with all relations.")
    dropping.add_argument("--yes", action="store_true", help="Confirm the removal.")
    return parser.parse_args(argv)


def configuration(given: argparse.Namespace) -> cfg.ConfigOpts:
    """Read the configuration as Glance does: from OS_GLANCE_CONFIG_DIR, or from the default directories."""
    conf = cfg.ConfigOpts()
    files, directories = given.config_file, given.config_dir
    if not files and not directories:
        own = os.environ.get("OS_GLANCE_CONFIG_DIR", "").strip()
        if own:
            candidates = [os.path.join(own, "glance-api.conf"), os.path.join(own, "glance-image-import.conf")]
            files = [path for path in candidates if os.path.exists(path)]
            directories = [path for path in [os.path.join(own, "glance-api.conf.d")] if os.path.isdir(path)]
        else:
            files = [path for prog in ("glance-api", "glance-manage") for path in cfg.find_config_files(project="glance", prog=prog)]
            directories = [path for prog in ("glance-api", "glance-manage") for path in cfg.find_config_dirs(project="glance", prog=prog)]
    conf([], project="glance", default_config_files=list(dict.fromkeys(files)), default_config_dirs=list(dict.fromkeys(directories)))
    return conf


def version(_given: argparse.Namespace, found: settings.Settings, _conf: Any) -> dict[str, Any]:
    with engine_of(found.connection) as engine:
        return {"version": __version__, "revision": schema.current(engine), "head": schema.head()}


def upgrade(_given: argparse.Namespace, found: settings.Settings, _conf: Any) -> dict[str, Any]:
    with engine_of(found.connection) as engine:
        before, after = schema.upgrade(engine)
    return {"before": before, "after": after, "changed": before != after}


def repair_table(given: argparse.Namespace, found: settings.Settings, conf: Any) -> dict[str, Any]:
    glance = settings.glance_connection(conf)
    if not glance:
        raise ValueError("Cannot repair relations: [database] of Glance has no connection. Name Glance's configuration by --config-file.")
    with engine_of(found.connection) as engine, engine_of(glance) as images:
        return repair.repair(engine, images, given.dry_run)


def drop(given: argparse.Namespace, found: settings.Settings, _conf: Any) -> dict[str, Any]:
    if not given.yes:
        raise ValueError("Cannot drop the table of relations: it may hold relations. Use --yes to remove them.")
    with engine_of(found.connection) as engine:
        dropped = schema.drop(engine)
    return {"dropped": dropped, "changed": bool(dropped)}


COMMANDS: dict[str, Command] = {"version": version, "upgrade": upgrade, "repair": repair_table, "drop": drop}


def main(argv: list[str]) -> int:
    given = arguments(argv)
    try:
        conf = configuration(given)
        print(json.dumps(COMMANDS[given.command](given, settings.read(conf), conf)))
    except (ValueError, cfg.Error, CommandError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except ImportError as problem:
        print(
            f"Cannot {given.command}: the driver of the database is missing: Python has no module {problem.name}. Install it for Glance's interpreter, "
            f"or name another driver in connection in [{settings.SECTION}].",
            file=sys.stderr,
        )
        return 1
    except exc.SQLAlchemyError as problem:
        # The text of the error may contain the URL with its password.
        print(f"Cannot {given.command}: the database failed with {cause(problem)}. Check connection in [glance_instance_aware] or [database].", file=sys.stderr)
        return 1
    return 0
