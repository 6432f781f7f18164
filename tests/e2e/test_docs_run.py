"""The commands of README, docs and examples: every block runs or says why not, and every command parses.

The blocks run in the order of the pages in one folder, beside the small plant that the quick start makes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from console.cli.main import app
from console.local.broker import EmbeddedBroker
from tests.worlds.documents import ROOT, Block, shell_blocks
from tests.worlds.mcp_plant import settings_in
from vpp import messages as m
from vpp.streams.kafka import consumer_config, create_topics

pytestmark = [pytest.mark.e2e, pytest.mark.local]

PLANT = "vpp up --until-done"
PLACEHOLDERS = {"FILE": "data.csv", "ZONE": "GB", "MODEL_ID": "GB-1", "PLAN": "p1", "PLAN_ID": "p1", "DIR": "out"}
BLOCKS = shell_blocks()
COMMANDS = [
    pytest.param(command, id=f"{block.place}-{number}")
    for block in BLOCKS
    for number, command in enumerate(block.commands)
    if command.startswith(("vpp ", "python -m ", "make "))
]


# Exit codes of commands that end otherwise here: no plant runs any more.
ENDS_WITH = {"vpp status": (0, 1)}


@dataclass(frozen=True)
class Shell:
    """A shell in the folder of the plant, with this checkout and its environment in front.

    A command that stands on several pages runs once.
    """

    folder: Path
    printed: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VPP_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        return {**environment, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "CI": "true"}

    def run(self, script: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode in ENDS_WITH.get(script, (0,)), f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        self.printed[script] = done.stdout
        return done.stdout

    def once(self, command: str) -> str:
        """What the command printed, run only where it has not run yet."""
        return self.printed[command] if command in self.printed else self.run(command)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The plant of the quick start, made by the very command that is written there."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "examples").symlink_to(ROOT / "examples")
    here = Shell(folder)
    page = ROOT / "docs" / "guide" / "quickstart.md"
    (command,) = [command for block in BLOCKS if block.page == page for command in block.commands if PLANT in command]
    here.run(command)
    return here


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in BLOCKS if block.reason is None])
def test_the_block_runs(shell: Shell, block: Block) -> None:
    for command in block.commands:
        shell.once(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_exists(command: str) -> None:
    words = shlex.split(re.split(r"\s(?:\||>|&&)\s", command)[0])
    words = [PLACEHOLDERS.get(word, word) for word in words]
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert [word for word in words[1:] if "=" not in word and word not in targets] == []
    elif words[0] == "python":
        base = ROOT.joinpath(*words[2].split("."))
        assert (
            base.with_suffix(".py").is_file()
            or (base / "__main__.py").is_file()
            or words[2] in {"http.server", "pytest"}
        )
    else:
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


def test_every_reason_is_a_reason() -> None:
    assert [block.place for block in BLOCKS if block.info.strip() and not block.reason] == []


def test_reading_forecasts_gives_an_error_per_horizon(shell: Shell) -> None:
    table = shell.once("python examples/read_forecasts.py .vpp/store.sqlite")
    assert re.search(r"^SIM_NORTH\s+30\s+47\s+\d", table, re.MULTILINE)


def test_the_policy_is_settled_beside_the_plant(shell: Shell) -> None:
    message = shell.once("python examples/custom_policy.py .vpp/store.sqlite SIM_NORTH")
    assert "SIM_NORTH: own policy" in message
    assert "over 48 slots" in message
    assert "SIM_NORTH-battery-1" in message


def test_the_client_hears_of_the_decision(shell: Shell) -> None:
    message = shell.once("python examples/mcp_client.py .vpp SIM_NORTH")
    assert "get_overview" in message
    assert "SIM_NORTH-battery-1:" in message


def test_field_data_arrive_as_observations(tmp_path: Path) -> None:
    lines = [json.dumps({"slot": f"2026-01-01T{hour:02}:00:00Z", "load_mw": hour / 1000}) for hour in range(3)]
    with EmbeddedBroker(tmp_path / "broker.log") as broker:
        settings = settings_in(tmp_path)
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": broker.address, "embedded": True})
        settings = settings.model_copy(update={"kafka": kafka})
        create_topics(settings)
        script = shlex.join(["python", str(ROOT / "examples" / "field_feed.py"), broker.address, "MY_SITE"])
        Shell(tmp_path).run(script, stdin="\n".join(lines) + "\n")
        give_up = time.monotonic() + 30
        reader = Consumer(consumer_config(settings, "test-field-feed"))
        reader.assign([TopicPartition("vpp.telemetry.raw", n, 0) for n in range(kafka.partitions)])
        records: list[Message] = []
        while len(records) < 3 and time.monotonic() < give_up:
            records += [record for record in reader.consume(3, timeout=0.5) if record.error() is None]
        reader.close()
    decode = m.Decoder(m.Raw)
    result = [decode(record.value(), key="MY_SITE") for record in records]
    assert [record.key() for record in records] == [b"MY_SITE"] * 3
    assert [each.values for each in result] == [{"load_mw": 0.0}, {"load_mw": 0.001}, {"load_mw": 0.002}]
