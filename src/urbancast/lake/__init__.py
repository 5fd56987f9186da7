"""The lake: Delta tables and bytes under one URL; contracts at both doors."""

from urbancast.lake import migrate
from urbancast.lake.store import MIGRATIONS, Lake

MIGRATIONS.update(migrate.STEPS)

__all__ = ["Lake"]
