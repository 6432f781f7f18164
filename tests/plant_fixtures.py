"""Where a plant runs in tests: the embedded broker and SQLite, or the real Kafka and InfluxDB when they are there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from topologies.runtime.status import read_status
from vpp.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
TRAINED = ROOT / ".pytest_cache" / "models"


@dataclass(frozen=True)
class Place:
    """One plant's own place: data directory, run name, broker and store."""

    data_dir: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        """The settings that the environment gives."""
        before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("VPP_")}
        try:
            os.environ.update({n: v for n, v in self.environment.items() if n.startswith("VPP_")})
            return load_settings()
        finally:
            for name in list(os.environ):
                if name.startswith("VPP_"):
                    del os.environ[name]
            os.environ.update(before)

    def vpp(self, *arguments: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run one `vpp` command here to its end."""
        return subprocess.run(
            [sys.executable, "-m", "console.cli.main", *arguments],
            cwd=self.data_dir,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one `vpp` command here, its output in ``stdout.txt`` and ``stderr.txt``; the caller ends it."""
        with (self.data_dir / "stdout.txt").open("wb") as out, (self.data_dir / "stderr.txt").open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "console.cli.main", *arguments],
                cwd=self.data_dir,
                env=self.environment,
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
            )

    def said(self) -> str:
        """Return the end of what a started command wrote for people."""
        return (self.data_dir / "stderr.txt").read_text()[-3000:]


def make_place(data_dir: Path) -> Place:
    """Return a place in ``data_dir``: on the real services where their variables are set, else self-contained."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VPP_")}
    environment |= {"VPP_DATA_DIR": str(data_dir / "vpp"), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "160"}
    if kafka := os.environ.get("VPP_TEST_KAFKA"):
        environment |= {"VPP_KAFKA__BOOTSTRAP_SERVERS": kafka, "VPP_RUN": f"t{uuid.uuid4().hex[:10]}"}
    if url := os.environ.get("VPP_TEST_INFLUX_URL"):
        environment |= {
            "VPP_STORE__KIND": "influx",
            "VPP_INFLUX__URL": url,
            "VPP_INFLUX__TOKEN": os.environ["VPP_TEST_INFLUX_TOKEN"],
            "VPP_INFLUX__ORG": os.environ["VPP_TEST_INFLUX_ORG"],
            "VPP_INFLUX__BUCKET": os.environ["VPP_TEST_INFLUX_BUCKET"],
        }
    data_dir.mkdir(parents=True, exist_ok=True)
    return Place(data_dir, environment)


def wait_for_slots(
    place: Place, process: subprocess.Popen[bytes], until_s: float = 150.0, worker: str = "storage"
) -> None:
    """Wait until a worker of the running plant has taken a slot; fail with what the plant wrote where it ends first."""
    deadline = time.monotonic() + until_s
    while not read_status(place.settings).get(worker, {}).get("last_slot"):
        assert process.poll() is None, place.said()
        assert time.monotonic() < deadline, place.said()
        time.sleep(0.2)


def recall_models(place: Place) -> None:
    """Give a place the models that an earlier test trained with the code as it is now, so that it trains none again."""
    kept_models = _kept_models()
    if kept_models.is_dir():
        shutil.copytree(kept_models, place.settings.models_dir)


def keep_models(place: Place) -> None:
    """Keep the models that ``vpp up`` trained in a place, for `recall_models` of all test processes."""
    kept_models = _kept_models()
    kept_models.mkdir(parents=True, exist_ok=True)
    for earlier in TRAINED.iterdir():
        if not earlier.name.startswith(kept_models.name):
            shutil.rmtree(earlier, ignore_errors=True)
    whole = Path(tempfile.mkdtemp(prefix=f"{kept_models.name}-", dir=TRAINED))
    for entry in place.settings.models_dir.iterdir():
        if not (kept_models / entry.name).exists():
            (shutil.copytree if entry.is_dir() else shutil.copy)(entry, whole / entry.name)
            (whole / entry.name).replace(kept_models / entry.name)
    shutil.rmtree(whole)


def _kept_models() -> Path:
    digest = hashlib.sha256()
    for folder in ("features", "models", "vpp"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                digest.update(path.read_bytes())
    return TRAINED / digest.hexdigest()[:16]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A plant's own place for one test."""
    return make_place(tmp_path / "plant")
