"""Slow answers, computed one after the other on a separate thread; a screen shows the last one meanwhile."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from vpp.errors import VppError

log = logging.getLogger(__name__)

KEPT = 200


class Background:
    """Computes what takes seconds and keeps the last answers.

    Answers are asked for by a key whose first two parts (what, and of which zone) name the question, and whose rest
    says of which moment: until the new answer is there, the last one to the same question is given.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="page-slow")
        self._done: OrderedDict[Hashable, Any] = OrderedDict()
        self._last: dict[Hashable, Any] = {}
        self._running: dict[Hashable, Future[None]] = {}
        self._lock = Lock()

    def get(self, key: tuple[Hashable, ...], compute: Callable[[], Any]) -> Any:
        """Return the answer to ``key``, else the last answer to the same question, else None; starts computing it."""
        with self._lock:
            if key in self._done:
                self._done.move_to_end(key)
                return self._done[key]
            if key[:2] not in {other[:2] for other in self._running if isinstance(other, tuple)}:
                self._running[key] = self._pool.submit(self._compute, key, compute)
            return self._last.get(key[:2])

    def _compute(self, key: tuple[Hashable, ...], compute: Callable[[], Any]) -> None:
        answer = None
        try:
            answer = compute()
        except VppError as error:
            log.warning("no answer to %s: %s", key[0], error)
        except Exception:  # a bug in one figure must not take the page down; it is logged with its trace
            log.exception("no answer to %s", key[0])
        finally:
            with self._lock:
                self._running.pop(key, None)
                self._done[key] = self._last[key[:2]] = answer
                while len(self._done) > KEPT:
                    self._done.popitem(last=False)

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
