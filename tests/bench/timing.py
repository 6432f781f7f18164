"""CPU times of single calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.net_load.residual_trees import ERROR_STEPS
from models.served import NetLoadRow
from vpp.domain import NET_LOAD


def one_row(state: Any) -> None:
    """Compute features, net load and price of the newest slot, as the step does."""
    net_load_row(state)
    price_row(state)


def net_load_row(state: Any) -> None:
    """Compute features and net load of the newest slot."""
    index, groups = state.head.last, np.arange(48, dtype=np.int64)
    errors = state.residuals
    row = NetLoadRow(
        state.features.rows(state.ring, index),
        state.ring.get(NET_LOAD, index),
        errors.levels,
        errors.volatility(groups),
        groups,
        np.full(len(ERROR_STEPS), np.nan),
    )
    state.served.net_load.forecast(row)


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
