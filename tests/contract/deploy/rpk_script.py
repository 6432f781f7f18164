"""Runs a script of rpk lines with a stand-in for rpk that writes its arguments down."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STAND_IN = """\
#!/bin/sh
for argument in "$@"; do printf '%s\\037' "$argument"; done >> "$RPK_CALLS"
printf '\\n' >> "$RPK_CALLS"
"""


@dataclass(frozen=True, slots=True)
class NewTopic:
    """What one ``rpk topic create`` asks for."""

    name: str
    partitions: int
    replicas: int
    brokers: str
    config: dict[str, str] = field(default_factory=dict)


def calls_of(script: Path, folder: Path, environment: Mapping[str, str]) -> list[list[str]]:
    """Arguments of every rpk call that the script makes; fails where the script does or complains."""
    stand_in = folder / "rpk"
    stand_in.write_text(_STAND_IN)
    stand_in.chmod(0o755)
    calls = folder / "calls"
    path = f"{folder}:{os.environ['PATH']}"
    environment = {"PATH": path, "RPK_CALLS": str(calls), **environment}
    complaints = subprocess.run(["sh", script], env=environment, check=True, stderr=subprocess.PIPE, text=True).stderr
    assert complaints == ""
    return [line.split("\x1f")[:-1] for line in calls.read_text().splitlines()]


def topics_of(calls: list[list[str]]) -> list[NewTopic]:
    """The topics that the calls create, each only where it is not there yet."""
    result = []
    for verb, what, name, *rest in calls:
        assert (verb, what) == ("topic", "create")
        assert rest.pop(0) == "--if-not-exists"
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        options = dict(pair for pair in pairs if pair[0] != "-c")
        config = dict(value.split("=", 1) for option, value in pairs if option == "-c")
        assert set(options) == {"-p", "-r", "-X"}
        brokers = options["-X"].removeprefix("brokers=")
        result.append(NewTopic(name, int(options["-p"]), int(options["-r"]), brokers, config))
    return result
