"""Every error that SmartGrid-AI raises on purpose.

::

    VppError                      exit code 1
    ├── ConfigError               2  a setting, option or file is wrong
    │   └── FleetError            2  fleet.yaml is wrong
    ├── DataError                 1  a data file or message cannot be read
    │   └── MessageError          1  one message is not what its topic carries
    ├── UnreachableError          3  broker or store does not answer
    │   └── TopicMissingError     3  the broker does not have the topic
    ├── RefusedError              4  the action is not permitted: a limit, a missing right or an earlier run
    ├── ModelError                1  a model artifact is missing, damaged or made for another feature spec
    └── PhysicsError              1  a setpoint broke physics: always a bug

Expected outcomes (late, duplicate, clamped, refused order) are data, not errors.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from vpp.plain_text import plain_lines

MAX_NAMES = 20
"""How many valid names a hint lists."""


class VppError(Exception):
    """Base of all errors; carries what to do next and the exit code of the command line.

    Args:
        message: What happened, with the values that matter.
        hint: The next step for the reader, or None if the message already says it.
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
        reason: Short reason code, as in ``vpp.dlq``.
    """

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class UnreachableError(VppError):
    """A broker, store or other service does not answer.

    Args:
        message: What does not answer, and why.
        retry_after_s: When the service asks to be tried again (s), None if it did not say.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class TopicMissingError(UnreachableError):
    """The broker answers, but does not have the topic."""


class RefusedError(VppError):
    """The action is not permitted: a limit, a missing right or an earlier run."""

    exit_code = 4


class ModelError(VppError):
    """A model artifact is missing, damaged or was made for another feature spec."""


class PhysicsError(VppError):
    """A setpoint or settlement broke physics."""


def nearest_hint(name: str, valid: Iterable[object], otherwise: str | None = None, cutoff: float = 0.6) -> str:
    """Return the hint for a name that does not exist: the nearest valid name, else all valid names.

    Args:
        name: What was asked for.
        valid: The names that exist.
        otherwise: The hint where no valid name is near; default: a list of the valid names.
        cutoff: Likeness, 0 to 1, from which on a name is near.
    """
    names = [str(name) for name in valid]
    by_plain = {_plain(name): name for name in reversed(names)}
    near = difflib.get_close_matches(_plain(name), by_plain, n=1, cutoff=cutoff)
    if near:
        return f"did you mean {by_plain[near[0]]}?"
    if otherwise is not None:
        return otherwise
    return "there are " + ", ".join(names[:MAX_NAMES]) if names else "there is none yet"


def did_you_mean(name: str, valid: Iterable[object], cutoff: float = 0.6) -> str:
    """Return `` (did you mean X?)`` for a name that does not exist, empty if no valid name is near."""
    hint = nearest_hint(name, valid, otherwise="", cutoff=cutoff)
    return f" ({hint})" if hint else ""


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def error_text(name: str, error: VppError) -> str:
    """Return the error message of a process: what happened, and the next step."""
    return plain_lines(f"{name}: {error}" + (f"\n  next: {error.hint}" if error.hint else ""))


@contextmanager
def exit_on_error(name: str) -> Iterator[None]:
    """Run the main function of a process: a ``VppError`` is printed and ends the process with the error's code.

    Raises:
        SystemExit: The block raised a ``VppError``.
    """
    try:
        yield
    except VppError as error:
        sys.stderr.write(error_text(name, error) + "\n")
        raise SystemExit(error.exit_code) from error
