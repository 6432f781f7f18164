"""The built wheel, installed as ``pipx`` does, runs a plant far from the repository.

Embedded broker and SQLite. The environment borrows the dependencies of the one that the tests run in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.plant_fixtures import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.local, pytest.mark.timeout(600)]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
OWN = ("agents", "console", "features", "mcp_server", "models", "topologies", "vpp")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it."""
    work = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(work), str(ROOT)], check=True, timeout=300)
    (wheel,) = work.glob("*.whl")
    path = work / "environment"
    venv.create(path, with_pip=False)
    (packages,) = path.rglob("site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    python = str(path / SCRIPTS / "python")
    subprocess.run([*pip, "--python", python, "install", "-q", "--no-deps", str(wheel)], check=True, timeout=300)
    return path


def run(environment: Path, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in ``folder``, without the repository on any path."""
    variables = {n: v for n, v in os.environ.items() if not n.startswith("VPP_") and n != "PYTHONPATH"}
    return subprocess.run(
        [environment / SCRIPTS / program, *arguments],
        cwd=folder,
        env=variables | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_every_package_comes_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = f"import importlib; print([importlib.import_module(n).__file__ for n in {OWN}])"
    done = run(environment, tmp_path, "python", "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(ROOT) not in done.stdout
    assert done.stdout.count(str(environment)) == len(OWN)


def test_a_plant_runs_and_stores_its_slots(environment: Path, tmp_path: Path) -> None:
    span = ["--zone", "SIM_NORTH", "--to", "2025-06-02T03:00", "--speed", "max", "--until-done"]
    done = run(environment, tmp_path, "vpp", "up", *span, "--no-train", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["slots"] == 6
    stored = run(environment, tmp_path, "vpp", "export", "setpoints", "--format", "csv")
    assert stored.returncode == 0, stored.stderr[-2000:]
    assert stored.stdout.count(",SIM_NORTH-battery-1,") == 6
