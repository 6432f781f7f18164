"""CPU times of single calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vpp.domain import NET_LOAD


def one_row(state: Any) -> None:
    """Compute features, net load and price of the newest slot, as the step does."""
    net_load_row(state)
    price_row(state)


def net_load_row(state: Any) -> None:
    """Compute features and net load of the newest slot."""
    index, groups = state.head.last, np.arange(48, dtype=np.int64)
    rows = state.features.rows(state.ring, index)
    state.served.net_load.forecast(rows, state.ring.get(NET_LOAD, index), state.residuals, groups)


def price_row(state: Any) -> None:
    """Compute features and price of the newest slot."""
    state.served.price.forecast(state.ring, state.head.last, cache=state.price_cache)


def timed_us(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    began = time.thread_time_ns()
    made = work(*arguments)
    return (time.thread_time_ns() - began) / 1000, made


def percentiles(values: Sequence[float], digits: int = 0) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), digits) for q in (50, 90, 99)} | {
        "mean": round(statistics.fmean(values), digits)
    }
