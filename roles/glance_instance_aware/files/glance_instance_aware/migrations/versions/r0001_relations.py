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


def upgrade() -> None:
    op.create_table(
        "instance_aware_images",
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
    op.create_index("ix_instance_aware_images_instance", "instance_aware_images", ["nova_installation_uuid", "instance_id", "project_id"])


def downgrade() -> None:
    op.drop_index("ix_instance_aware_images_instance", table_name="instance_aware_images")
    op.drop_table("instance_aware_images")
