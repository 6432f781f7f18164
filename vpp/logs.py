"""Logging of a process: to standard error, as text or JSON lines, with facts as key=value."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from vpp.domain import iso
from vpp.plain_text import escaped
from vpp.settings import Settings

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_about: ContextVar[Mapping[str, Any]] = ContextVar("about", default=_NOTHING)


def log_about(facts: Mapping[str, Any]) -> None:
    """Set the facts that are added to the JSON log lines of this thread, in place of earlier ones.

    Args:
        facts: For example ``trace_id``, ``zone``, ``slot``, ``partition`` and ``offset`` of the record in work.
    """
    _about.set(facts)


class _TextFormatter(logging.Formatter):
    """One line per record and its trace below it, with control characters in them as escapes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # name is the base class's
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  # name is the base class's
        # Indented, so no line of an error's text can pass for a record.
        return "\n".join(f"  {escaped(line)}" for line in super().formatException(ei).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with the facts of ``log_about``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a log record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in _about.get().items():
            if value is not None:
                line[name] = iso(value) if isinstance(value, datetime) else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logging(settings: Settings) -> None:
    """Send all logs to standard error; called once, at an entry point."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(_TextFormatter("%(asctime)s %(levelname)-7s %(name)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("quixstreams").setLevel("WARNING" if settings.log_level == "INFO" else settings.log_level)
    for client in ("httpx", "httpx2"):
        logging.getLogger(client).setLevel("WARNING")  # below that they log whole addresses, which may hold keys
