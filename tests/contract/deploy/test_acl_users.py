"""Every user that ``deploy/create-acls.sh`` grants rights to is a process that can be started."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from console.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
PROCESSES = {"cli": "console.cli.main", "dashboard": "console.dashboard.__main__", "mcp": "mcp_server.__main__"}
"""Users whose process is neither a topology nor a command of its own."""


def has_process(user: str) -> bool:
    """Return whether a topology, a process, a `vpp` command or a service of the compose file is behind a user."""
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    names = [f"topologies.{user}", PROCESSES.get(user, "")]
    return user in COMMANDS or user in services or any(name and importlib.util.find_spec(name) for name in names)


def test_every_user_is_a_process() -> None:
    script = (ROOT / "deploy" / "create-acls.sh").read_text(encoding="utf-8")
    users = sorted(set(re.findall(r"^allow (\S+) ", script, flags=re.MULTILINE)))
    assert len(users) > 10
    assert [user for user in users if not has_process(user)] == []


@pytest.mark.parametrize("user", ["face", "nobody"])
def test_a_user_without_a_process_is_seen(user: str) -> None:
    assert not has_process(user)
