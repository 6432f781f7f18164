"""The pipeline of the original project, message by message, for a comparison in the same run.

Its recipe: a buffer of the last 49 messages in memory; for each message a pandas frame of them, from which 160 columns
are made for all rows (16 signals, lags 1, 2, 24, 48, windows of 48, calendar), the last row aligned by name and given
to a stock XGBoost model of 415 trees of depth 3; one number out. One thread, which favours it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xgboost

BUFFER_ROWS = 49
LAGS = (1, 2, 24, 48)
SIGNALS = 16
COLUMNS = 160
TREES, DEPTH = 415, 3


class OriginalPipeline:
    """JSON in, JSON out, as the original's consumer did it; its model is trained on noise of the same shape."""

    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=BUFFER_ROWS)
        self._names: list[str] = []
        random = np.random.default_rng(7)
        rows = random.normal(size=(1000, COLUMNS))
        target = rows[:, 0] + 0.3 * rows[:, 1] * rows[:, 2] + random.normal(size=1000)
        parameters = {"max_depth": DEPTH, "nthread": 1}
        self._model = xgboost.train(parameters, xgboost.DMatrix(rows, target), num_boost_round=TREES)

    def step(self, payload: bytes) -> bytes:
        """Return the answer to one message."""
        message = json.loads(payload)
        self._rows.append(message)
        prediction = None
        if len(self._rows) == BUFFER_ROWS:
            row = self._features(pd.DataFrame(list(self._rows)))
            prediction = float(self._model.inplace_predict(row)[0])
        return json.dumps({"Timestamp": message["Timestamp"], "predicted_ramp": prediction}).encode()

    def _features(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        at = pd.to_datetime(frame.pop("Timestamp")).dt
        frame["Hist_Ramp"] = frame["S00"].diff()
        columns: dict[str, pd.Series] = {str(name): values for name, values in frame.items()}
        for name in list(columns):
            for lag in LAGS:
                columns[f"{name}_lag_{lag}"] = frame[name].shift(lag)
            window = frame[name].rolling(window=48)
            columns[f"{name}_rw_mean"], columns[f"{name}_rw_std"] = window.mean(), window.std()
            columns[f"{name}_rw_min"], columns[f"{name}_rw_max"] = window.min(), window.max()
        columns |= {"Hour": at.hour, "Day": at.day_of_week, "Month": at.month}
        columns["Peak"] = ((at.hour >= 7) & (at.hour <= 22)).astype(int)
        numbers = pd.concat(columns, axis=1)
        self._names = self._names or [*numbers.columns, *(f"C{n:02d}" for n in range(len(numbers.columns), COLUMNS))]
        return numbers.tail(1).reindex(columns=self._names).fillna(0).to_numpy()


def original_cpu_ms(timestamps: Sequence[str]) -> float:
    """Return the mean process CPU time (ms) per message after the buffer is full."""
    pipeline, random = OriginalPipeline(), np.random.default_rng(3)
    payloads = [
        json.dumps({"Timestamp": at, **{f"S{n:02d}": float(random.normal()) for n in range(SIGNALS - 1)}}).encode()
        for at in timestamps
    ]
    for payload in payloads[:BUFFER_ROWS]:
        pipeline.step(payload)
    began = time.process_time()
    for payload in payloads[BUFFER_ROWS:]:
        pipeline.step(payload)
    return 1000 * (time.process_time() - began) / (len(payloads) - BUFFER_ROWS)
