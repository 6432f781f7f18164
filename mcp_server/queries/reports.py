"""The reports that this server keeps for its clients."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT_REPORTS = 20


@dataclass
class Reports:
    """The last reports of this server, by run id; as Markdown."""

    texts: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def keep(self, run_id: str, text: str) -> None:
        """Keep a report, and forget the oldest beyond twenty."""
        self.texts[run_id] = text
        while len(self.texts) > KEPT_REPORTS:
            self.texts.popitem(last=False)
