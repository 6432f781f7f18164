"""A registry that is empty."""

from models.served import ServedModel
from vpp.errors import ModelError


def no_model(model_id: str, sha256: str) -> ServedModel:
    raise ModelError(f"no model {model_id}")
