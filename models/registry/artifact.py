"""Makes a served model of its parts' arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.guard.part import guard_from_arrays
from models.net_load.model import net_load_from_arrays
from models.registry.price_trainer import part_from_arrays
from models.served import ServedModel
from vpp.errors import ModelError

Parts = Mapping[str, "Mapping[str, np.ndarray[Any, Any] | bytes]"]

NET_LOAD_PART = "net_load"
PRICE_PART = "price"
GUARD_PART = "guard"


def assemble(parts: Parts, metadata: Mapping[str, Any]) -> ServedModel:
    """Return the served model.

    Raises:
        ModelError: A part was made for another feature table or by another version of this program.
    """
    try:
        net_load = net_load_from_arrays(parts[NET_LOAD_PART]) if NET_LOAD_PART in parts else None
        price = part_from_arrays(parts[PRICE_PART]) if PRICE_PART in parts else None
        guard = guard_from_arrays(parts[GUARD_PART]) if GUARD_PART in parts else None
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"model {metadata.get('model_id')} was made by another version: {error}", hint="train again: vpp train"
        ) from error
    return ServedModel(
        model_id=str(metadata["model_id"]),
        sha256=str(metadata["sha256"]),
        zone=str(metadata["zone"]),
        step_min=int(metadata["step_min"]),
        net_load=net_load,
        price=price,
        guard=guard,
        metadata=metadata,
    )
