"""The reference of the command line, made from the ``vpp`` application."""

from __future__ import annotations

import re

from console.cli.main import app

_HEAD = """\
# Command line

Written by `python -m deploy.generate` from `console/cli`: do not edit.

Exit codes: 0 ok, 1 failed, 2 usage, 3 not reachable, 4 refused ([Errors](errors.md)). Options that set a
[setting](settings.md) win over the environment. `vpp COMMAND --help` prints the same for one command; `--debug` on any
command adds tracebacks.
"""


def cli_page() -> str:
    """Return the page: every command with its options, as ``--help`` shows them."""
    page = app.generate_docs(output_format="markdown", heading_level=1, usage_name="vpp")
    # Under ``python -m deploy.generate`` cyclopts adds the module to the usage of nested commands.
    lines = [re.sub(r"^(vpp .*?) -m [\w.]+", r"\1", line.rstrip()) for line in page.splitlines()]
    start = next(index for index, line in enumerate(lines) if line.startswith("## vpp "))
    return _HEAD + "\n" + "\n".join(lines[start:]).rstrip() + "\n"
