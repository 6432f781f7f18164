"""The journal of a gateway: the newest state of each device's commands, on disk before a command is transmitted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vpp.store.exclusive_file import ExclusiveFile


class CommandJournal(ExclusiveFile):
    """One file per gateway: two gateways of one name would command the same devices.

    Args:
        path: The file.

    Raises:
        RefusedError: Another process holds it.
        UnreachableError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "CREATE TABLE IF NOT EXISTS device (name TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID",
            synchronous="FULL",
            holder="another gateway of the same name",
            hint="end it, or give this one another name",
        )

    def read(self) -> dict[str, bytes]:
        """Return the state of each device by name."""
        return dict(self._connection.execute("SELECT name, state FROM device"))

    def save(self, states: Iterable[tuple[str, bytes]]) -> None:
        """Write states; they are on disk when it returns.

        Raises:
            UnreachableError: The disk does not take them; nothing may be transmitted then.
        """
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO device VALUES (?, ?)", states)
            connection.execute("COMMIT")
