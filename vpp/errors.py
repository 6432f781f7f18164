"""Every error that SmartGrid-AI raises on purpose.

::

    VppError                      exit code 1
    ├── ConfigError               2  a setting, option or file is wrong
    │   └── FleetError            2  fleet.yaml is wrong
    ├── DataError                 1  a data file or message cannot be read
    │   └── MessageError          1  one message is not what its topic carries
    ├── UnreachableError          3  broker or store does not answer
    ├── RefusedError              4  a limit, a missing right or an earlier run says no
    ├── ModelError                1  a model artifact is missing, damaged or made for another feature spec
    └── PhysicsError              1  a setpoint broke physics: always a bug

Expected outcomes (late, duplicate, clamped, refused order) are data, not errors.
"""

from __future__ import annotations

from typing import ClassVar


class VppError(Exception):
    """Base of all errors; carries what to do next and the exit code of the command line.

    Args:
        message: What happened, with the values that matter.
        hint: The next step for the reader, or None where the message already says it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(VppError):
    """A setting, option or configuration file is wrong."""

    exit_code = 2


class FleetError(ConfigError):
    """The fleet file is wrong."""


class DataError(VppError):
    """A data file or message cannot be read."""


class MessageError(DataError):
    """One message is not what its topic carries.

    Args:
        message: What is wrong.
        reason: Short reason code, as it stands in ``vpp.dlq``.
    """

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class UnreachableError(VppError):
    """A broker, store or other service does not answer.

    Args:
        message: What does not answer, and why.
        retry_after_s: When the service asks to be tried again (s), None where it did not say.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RefusedError(VppError):
    """A limit, a missing right or an earlier run says no."""

    exit_code = 4


class ModelError(VppError):
    """A model artifact is missing, damaged or was made for another feature spec."""


class PhysicsError(VppError):
    """A setpoint or settlement broke physics."""
