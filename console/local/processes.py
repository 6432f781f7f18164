"""Worker processes of a run: given the settings by environment, restarted when they die, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from topologies.runtime.parent_watch import PARENT_VARIABLE
from vpp.errors import VppError
from vpp.settings import Settings, env_name, keys

MAX_FAILURES = 5
STEADY_S = 60.0
"""A worker that lived longer did not fail at its start."""


class WorkerDiedError(VppError):
    """A worker died too often; the run cannot continue."""


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a child process exactly these settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("VPP_")}
    default = Settings.model_construct()
    for key in keys():
        value, standard = _get(settings, key), _get(default, key)
        if value is None or value == standard:
            continue
        if isinstance(value, Mapping):
            env |= {f"{env_name(key)}__{name}": str(item) for name, item in value.items()}
        else:
            env[env_name(key)] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    env[PARENT_VARIABLE] = str(os.getpid())
    return env


def _get(settings: Settings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


@dataclass
class WorkerProcess:
    """One worker process, how often it died, and how often in a row it failed soon after its start."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    failures: int = 0
    finished: bool = False
    last_code: int | None = None
    started_at: float = field(default_factory=time.monotonic)


class Processes:
    """Starts, watches and ends the worker processes of one run.

    Args:
        settings: What the workers run with.
        log_dir: Holds one log file per worker.
    """

    def __init__(self, settings: Settings, log_dir: Path) -> None:
        self._env = environment(settings)
        self._log_dir = log_dir
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self.workers: dict[str, WorkerProcess] = {}

    def add(self, name: str, module: str, *arguments: str) -> None:
        """Start ``python -m module arguments`` as worker ``name``."""
        worker = WorkerProcess(name, python_command(module, *arguments))
        self.workers[name] = worker
        self._start(worker)

    def log_path(self, name: str) -> Path:
        """Return the log file of a worker."""
        return self._log_dir / f"{name}.log"

    def _start(self, worker: WorkerProcess) -> None:
        with self.log_path(worker.name).open("ab") as log:
            worker.process = subprocess.Popen(  # our own interpreter and modules
                list(worker.command),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._env,
                start_new_session=True,
            )
        worker.started_at = time.monotonic()

    def restart_the_dead(self) -> list[str]:
        """Restart workers that died; return their names. A worker that ended with 0 is finished.

        A kill from outside, by a person or for want of memory, is no failure of the worker.

        Raises:
            WorkerDiedError: One failed ``MAX_FAILURES`` times in a row, each within ``STEADY_S`` of its start, or
                refused its settings (exit codes 2 and 4).
        """
        restarted = []
        for worker in self.workers.values():
            if worker.process is None or worker.finished:
                continue
            code = worker.process.poll()
            if code is None:
                continue
            worker.last_code = code
            if code == 0:
                worker.finished = True
                continue
            worker.deaths += 1
            if time.monotonic() - worker.started_at > STEADY_S:
                worker.failures = 0
            elif code != -signal.SIGKILL:
                worker.failures += 1
            if worker.failures >= MAX_FAILURES or code in {2, 4}:
                raise WorkerDiedError(
                    f"worker {worker.name} ended with {exit_words(code)}, {worker.deaths} time(s)",
                    hint=f"see {self.log_path(worker.name)}: {self.last_words(worker.name)}",
                )
            self._start(worker)
            restarted.append(worker.name)
        return restarted

    def last_words(self, name: str) -> str:
        """Return the last line that a worker logged."""
        try:
            lines = self.log_path(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""

    @property
    def restarts(self) -> int:
        """How often any worker was restarted."""
        return sum(worker.deaths for worker in self.workers.values())

    def stop_source(self, *, timeout_s: float = 5.0) -> None:
        """Tell the source to flush and end; it is killed with the others where it does not in time."""
        worker = self.workers.get("source")
        if worker is None or worker.process is None or worker.process.poll() is not None:
            return
        worker.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout_s)

    def stop(self, *, timeout_s: float = 20.0) -> None:
        """Tell all workers to drain and commit, the source first; kill what does not end in time."""
        ordered = sorted(self.workers.values(), key=lambda worker: worker.name != "source")
        for worker in ordered:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.terminate()
        deadline = time.monotonic() + timeout_s
        for worker in ordered:
            if worker.process is None:
                continue
            try:
                worker.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def exit_words(code: int) -> str:
    """Return how a process ended, in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
