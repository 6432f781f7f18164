"""The audit of calls: every call of a tool and every resource read, with principal, arguments, result and duration.

Each call is a line in the log. Where the server acts it also is a record on the audit topic, sent in the background so
that a slow broker never holds up a reader; what the broker does not take is counted and logged, never
dropped in silence. A dry run of an act is in the log alone: the audit must not read as if it had been done. What acts
on the plant is recorded before that by the act itself, which waits for the broker.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Full, Queue
from threading import Thread
from typing import Any

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import InputRequiredToolResult

from mcp_server.answers.sanitize import plain
from vpp.errors import VppError
from vpp.messages import Audit

log = logging.getLogger(__name__)

EVERYWHERE = "all"
ARGUMENT_CHARS = 4000
WAITING = 10_000
DRY_RUN = "dry_run"

Record = Callable[[Audit], None]


def verdict_of(result: Any) -> str:
    """Return what came of a call that gave a result: ``asked`` (for an answer of the person), ``error`` or ``ok``."""
    if isinstance(result, InputRequiredToolResult):
        return "asked"
    return "error" if getattr(result, "is_error", False) else "ok"


class CallLog(Middleware):
    """Notes each call and reading that passed the rate limit.

    Args:
        principal: Says who calls.
        record: Takes the audit record and returns at once; None: the log alone.
        now: The wall clock.
    """

    def __init__(
        self,
        principal: Callable[[], str],
        record: Record | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._principal, self._record, self._now = principal, record, now

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Pass the call on and note it."""
        return await self._noted(context.message.name, context.message.arguments or {}, context, call_next)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Pass the reading on and note it."""
        return await self._noted("read_resource", {"uri": str(context.message.uri)}, context, call_next)

    async def _noted(
        self, tool: str, arguments: dict[str, Any], context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
    ) -> Any:
        began = time.perf_counter()
        verdict = "error"
        try:
            result = await call_next(context)
            verdict = verdict_of(result)
            if (getattr(result, "structured_content", None) or {}).get("dry_run"):
                verdict = DRY_RUN
            return result
        finally:
            self._note(tool, arguments, verdict, time.perf_counter() - began)

    def _note(self, tool: str, arguments: dict[str, Any], verdict: str, took_s: float) -> None:
        principal, tool = plain(self._principal(), 80), plain(tool, 80)
        text = json.dumps(arguments, default=str, sort_keys=True, separators=(",", ":"))
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        took_ms = round(1000 * took_s)
        log.info("call tool=%s principal=%s verdict=%s ms=%s arguments=%s", tool, principal, verdict, took_ms, digest)
        if self._record is None or verdict == DRY_RUN:
            return
        detail = {"arguments": plain(text, ARGUMENT_CHARS), "ms": took_ms}
        self._record(
            Audit(
                zone=EVERYWHERE,
                audit_id="c" + secrets.token_hex(8),
                at=self._now(),
                principal=principal,
                action=f"mcp:{tool}",
                verdict=verdict,
                detail=json.dumps(detail),
                digest=digest,
            )
        )


class InBackground:
    """Hands audit records to a broker, one after the other, on a thread of its own.

    Args:
        post: Writes one record and waits for the broker.
    """

    def __init__(self, post: Record) -> None:
        self._post = post
        self._waiting: Queue[Audit | None] = Queue(WAITING)
        self.lost = 0
        self._thread = Thread(target=self._run, name="call-log", daemon=True)
        self._thread.start()

    def __call__(self, record: Audit) -> None:
        """Take one record and return at once."""
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._lose("too many wait")

    def close(self, within_s: float = 5.0) -> None:
        """Send what waits, for a while."""
        try:
            self._waiting.put(None, timeout=within_s)
        except Full:
            return
        self._thread.join(within_s)

    def _run(self) -> None:
        while (record := self._waiting.get()) is not None:
            try:
                self._post(record)
            except VppError as error:
                self._lose(str(error))

    def _lose(self, reason: str) -> None:
        self.lost += 1
        # The first, and then ever fewer: a broker that is away must not fill the log.
        if self.lost & (self.lost - 1) == 0:
            log.warning("audit of calls lost records=%s: %s", self.lost, reason)
