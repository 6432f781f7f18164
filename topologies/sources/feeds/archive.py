"""Archive of a service's answers: a file of JSON lines per zone, append-only.

So a restart asks for what is missing alone, and earlier runs of a price are kept although the service shows the last.
A line that a kill cut off is dropped when the file is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from vpp.feeds.contract import Issue


class Coverage(msgspec.Struct, frozen=True, kw_only=True, tag="coverage"):
    """A dataset was queried for ``[start, until)`` and answered."""

    dataset: str
    start: datetime
    until: datetime


_DECODER = msgspec.json.Decoder(Issue | Coverage)
_ENCODER = msgspec.json.Encoder()


class FeedArchive:
    """The file of one zone.

    Args:
        path: The file; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.coverage: dict[str, Coverage] = {}

    def read(self) -> Iterator[Issue]:
        """Yield all issues in the order in which they came in, and take up the coverage."""
        if not self._path.exists():
            return
        whole_bytes = 0
        with self._path.open("rb") as lines:
            for line in lines:
                try:
                    record = _DECODER.decode(line) if line.endswith(b"\n") else None
                except msgspec.MsgspecError:
                    record = None
                if record is None:
                    break
                whole_bytes += len(line)
                if isinstance(record, Coverage):
                    self._cover(record)
                else:
                    yield record
        if whole_bytes < self._path.stat().st_size:
            with self._path.open("r+b") as file:
                file.truncate(whole_bytes)

    def append(self, issues: Iterable[Issue], coverage: Coverage) -> None:
        """Write issues and the coverage of their query."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(b"".join(_ENCODER.encode(record) + b"\n" for record in (*issues, coverage)))
        self._cover(coverage)

    def _cover(self, new: Coverage) -> None:
        coverage = self.coverage.get(new.dataset)
        if coverage is None:
            self.coverage[new.dataset] = new
        elif new.start <= coverage.until and coverage.start <= new.until:
            start, until = min(coverage.start, new.start), max(coverage.until, new.until)
            self.coverage[new.dataset] = Coverage(dataset=new.dataset, start=start, until=until)
