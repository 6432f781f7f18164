"""Stores of a run, behind one protocol: SQLite (default), InfluxDB 2 (production), Parquet (history).

``open_store(settings)`` is the way in; ``vpp.store.tables`` says what the tables hold, ``docs/reference/tables.md`` how
each store lays them out.
"""

from __future__ import annotations

from vpp.settings import Settings
from vpp.store.contract import Store
from vpp.store.query import Rows, Span

__all__ = ["Rows", "Span", "Store", "open_store"]


def open_store(settings: Settings, *, read_only: bool = False) -> Store:
    """Open the store that the settings name, bound to their run.

    Nothing is contacted yet where the store is a server: call ``ping`` to know.

    Args:
        settings: The settings.
        read_only: Never write; a SQLite file that does not exist yet reads as empty and is not made.

    Raises:
        ConfigError: The file belongs to another version of this program, or is no store at all.
        UnreachableError: The file's folder cannot be used.
    """
    if settings.store.kind == "influx":
        from vpp.store.influx import InfluxStore

        return InfluxStore(settings.influx, settings.run, read_only=read_only)
    if settings.store.kind == "parquet":
        from vpp.store.parquet.store import ParquetStore

        return ParquetStore(settings.store_path, settings.run, read_only=read_only)
    from vpp.store.sqlite import SqliteStore

    return SqliteStore(settings.store_path, settings.run, read_only=read_only)
