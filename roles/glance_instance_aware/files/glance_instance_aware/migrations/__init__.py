# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema under alembic, with a version table of its own, so that Glance's migrations do not see it."""
