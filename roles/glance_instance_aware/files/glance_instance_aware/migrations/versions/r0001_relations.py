# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of relations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


NAME = "instance_aware_images"
INDEX = "ix_instance_aware_images_instance"


def upgrade() -> None:
    # MySQL and MariaDB do not roll back a table, so an earlier attempt may have created a part.
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table(NAME):
        create_table()
    if INDEX not in [index["name"] for index in sa.inspect(op.get_bind()).get_indexes(NAME)]:
        op.create_index(INDEX, NAME, ["nova_installation_uuid", "instance_id", "project_id"])


def create_table() -> None:
    op.create_table(
        NAME,
        sa.Column("image_id", sa.CHAR(36), primary_key=True),
        sa.Column("nova_installation_uuid", sa.CHAR(36), nullable=False),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("owner_id", sa.String(255), nullable=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        mysql_engine="InnoDB",
    )


def downgrade() -> None:
    op.drop_table(NAME)
