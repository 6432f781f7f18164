"""The reference of errors and exit codes, made from ``vpp.errors``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from vpp.errors import VppError

_HEAD = """\
# Errors

Written by `python -m deploy.generate` from `vpp/errors.py`: do not edit.

A command that fails prints one line with the cause and, where there is one, a hint with the next step. Scripts should
use the exit code, not the text. `vpp --debug COMMAND` adds the traceback.

| exit code | meaning |
|---|---|
| 0 | The command succeeded. "Not promoted", "nothing stored yet" and the like are results, not errors. |
| 1 | The command failed: data, a model, or a comparison that found a difference. |
| 2 | Wrong usage: an option, a setting or a configuration file. |
| 3 | A broker, store or other service does not answer. |
| 4 | The action is not permitted: a limit, a missing right, or an earlier run. |

Late, duplicate or clamped values and refused orders are data, not errors: they appear in the tables
[`dlq`](tables.md#dlq), [`alerts`](tables.md#alerts) and [`decisions`](tables.md#decisions).
"""


def errors_page() -> str:
    """Return the page: exit codes, then every error class with its parent and meaning."""
    rows = [
        f"| `{error.__name__}` | {error.exit_code} | {_parent(error)} | {_plain(inspect.getdoc(error) or '')} |"
        for error in _tree(VppError)
    ]
    return "\n".join(
        [
            _HEAD,
            "## Error classes\n",
            "An `except` clause for a class also catches the classes below it.\n",
            "| class | exit code | is a | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _tree(error: type[VppError]) -> Iterator[type[VppError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == VppError.__module__:
            yield from _tree(child)


def _parent(error: type[VppError]) -> str:
    return "" if error is VppError else f"`{error.__mro__[1].__name__}`"


def _plain(text: str) -> str:
    return re.sub(r"``([^`]*)``", r"`\1`", text.splitlines()[0]).replace("|", "\\|")
