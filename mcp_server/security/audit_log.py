"""Audit log of calls: every tool call and resource read, with principal, arguments, result and duration.

Each call is a line in the log. In the operate profile it is also a record on the audit topic. Records are sent in the
background, so a slow broker does not delay an answer; records that the broker does not accept are counted and logged. A
dry run is only in the log, so the audit topic does not show it as done. An act on the plant writes its own audit record
first and waits for the broker.
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
    """Return the verdict on a result: ``asked`` (a question to the user), ``error`` or ``ok``."""
    if isinstance(result, InputRequiredToolResult):
        return "asked"
    return "error" if getattr(result, "is_error", False) else "ok"


class CallLog(Middleware):
    """Records each tool call and resource read that passed the rate limit.

    Args:
        principal: Returns the principal of the current call.
        record: Receives the audit record and returns at once; None writes to the log only.
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
        """Forward the call and record it."""
        return await self._noted(context.message.name, context.message.arguments or {}, context, call_next)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Forward the read and record it."""
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
    """Sends audit records to a broker in order, on its own thread.

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
        """Queue one record and return at once."""
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._lose("too many wait")

    def close(self, within_s: float = 5.0) -> None:
        """Send the queued records for at most ``within_s`` seconds, then stop."""
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
        # The first loss and then fewer and fewer are logged: an unreachable broker must not fill the log.
        if self.lost & (self.lost - 1) == 0:
            log.warning("audit of calls lost records=%s: %s", self.lost, reason)
