"""Reports of backtests, stored in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT_REPORTS = 20


@dataclass
class Reports:
    """The latest reports of this server as Markdown, by run id."""

    texts: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def keep(self, run_id: str, text: str) -> None:
        """Store a report; above twenty reports the oldest is dropped."""
        self.texts[run_id] = text
        while len(self.texts) > KEPT_REPORTS:
            self.texts.popitem(last=False)
