"""Remote inference: a row as a message, the model's answer to it, and the forecast in that answer. All stateless."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

import numpy as np

from models.served import NetLoadForecast, NetLoadRow, ServedModel
from vpp.domain import QUANTILE_LEVELS
from vpp.errors import MessageError, ModelError
from vpp.messages import FeatureRow, Inference, InferenceFailure
from vpp.numerics.arrays import Floats

LoadModel = Callable[[str, str], ServedModel]

_FLOAT = np.dtype("<f8")


def feature_row(served: ServedModel, slot: datetime, row: NetLoadRow) -> FeatureRow:
    """Return the message that asks for a forecast.

    Args:
        served: The model in force; it has a net-load part.
        slot: The closed slot.
        row: What the model reads.
    """
    assert served.net_load is not None
    arrays = [_packed(array) for array in (row.rows, row.levels, row.volatility, row.newest, np.array([row.now_mw]))]
    groups = row.groups.tolist()
    receipt = sha256(b"".join([served.sha256.encode(), *arrays, repr(groups).encode()])).hexdigest()
    return FeatureRow(
        zone=served.zone,
        slot=slot,
        model_id=served.model_id,
        sha256=served.sha256,
        spec_hash=served.net_load.spec.hash,
        receipt=receipt,
        now_mw=row.now_mw,
        rows=arrays[0],
        levels=arrays[1],
        volatility=arrays[2],
        newest=arrays[3],
        groups=groups,
    )


def infer(message: FeatureRow, load_model: LoadModel) -> Inference:
    """Return the model's result for a row; a failure if the registry lacks the model or the features differ.

    Args:
        message: The row.
        load_model: Finds a model by id and sha256; raises ``ModelError``.

    Raises:
        MessageError: Its arrays are not of the model's shapes.
    """
    try:
        part = load_model(message.model_id, message.sha256).net_load
    except ModelError:
        return _failed(message, InferenceFailure.MODEL_MISSING)
    if part is None or part.spec.hash != message.spec_hash:
        return _failed(message, InferenceFailure.OTHER_FEATURES)
    forecast = part.forecast(_row(message, len(part.spec.features)))
    return Inference(
        zone=message.zone,
        slot=message.slot,
        receipt=message.receipt,
        quantiles=_packed(forecast.quantiles),
        mean=_packed(forecast.mean),
        scale=_packed(forecast.scale),
        xgboost_weight=forecast.xgboost_weight,
    )


def forecast_in(message: Inference, horizons: int) -> NetLoadForecast:
    """Return the forecast in an answer that is no failure.

    Args:
        message: The answer.
        horizons: Number of horizons.

    Raises:
        MessageError: Its arrays are of other shapes, or hold numbers that are not finite.
    """
    quantiles = _unpacked(message.quantiles, (horizons, len(QUANTILE_LEVELS)))
    mean, scale = _unpacked(message.mean, (horizons,)), _unpacked(message.scale, (horizons,))
    if not all(np.isfinite(numbers).all() for numbers in (quantiles, mean, scale)):
        raise MessageError("an answer holds a number that is not finite", reason="schema")
    return NetLoadForecast(quantiles, mean, scale, message.xgboost_weight)


def _row(message: FeatureRow, features: int) -> NetLoadRow:
    count = len(message.groups)
    return NetLoadRow(
        rows=_unpacked(message.rows, (features, count)),
        now_mw=message.now_mw,
        levels=_unpacked(message.levels, (count, len(QUANTILE_LEVELS))),
        volatility=_unpacked(message.volatility, (5, count)),
        groups=np.array(message.groups, dtype=np.int64),
        newest=_unpacked(message.newest, (4,)),
    )


def _failed(message: FeatureRow, failure: InferenceFailure) -> Inference:
    return Inference(zone=message.zone, slot=message.slot, receipt=message.receipt, failure=failure)


def _packed(array: Floats) -> bytes:
    return np.ascontiguousarray(array, dtype=_FLOAT).tobytes()


def _unpacked(raw: bytes, shape: tuple[int, ...]) -> Floats:
    if len(raw) != np.prod(shape) * _FLOAT.itemsize:
        raise MessageError(f"{len(raw)} bytes are no array of shape {shape}", reason="schema")
    return np.frombuffer(raw, dtype=_FLOAT).astype(np.float64).reshape(shape)
