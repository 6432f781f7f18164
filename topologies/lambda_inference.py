"""Remote inference on AWS Lambda: ``python -m awslambdaric topologies.lambda_inference.handler``."""

from __future__ import annotations

from topologies.runtime.lambda_function import handler

__all__ = ["handler"]
