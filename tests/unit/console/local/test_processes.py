"""Workers are restarted when they die, given up when they fail five times in a row, and ended together."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from console.local.processes import Processes, WorkerDiedError, environment
from vpp.settings import Settings, load_settings


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> str:
    (tmp_path / "little_worker.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "little_worker"


def watch(processes: Processes, until_s: float = 10.0) -> list[str]:
    restarted: list[str] = []
    deadline = time.monotonic() + until_s
    while time.monotonic() < deadline:
        restarted += processes.restart_the_dead()
        if all(worker.finished for worker in processes.workers.values()):
            break
        time.sleep(0.02)
    return restarted


def test_a_dead_worker_is_restarted_and_a_finished_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = tmp_path / "flag"
    body = f"import pathlib, sys\np = pathlib.Path({str(flag)!r})\nif p.exists(): sys.exit(0)\np.touch(); sys.exit(1)\n"
    name = module(tmp_path, monkeypatch, body)
    processes = Processes(Settings(data_dir=tmp_path), tmp_path / "logs")
    processes.add("one", name)
    assert watch(processes) == ["one"]
    assert processes.restarts == 1
    processes.stop()


def test_five_failures_in_a_row_end_the_run_with_the_workers_name_and_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(tmp_path, monkeypatch, "import sys\nprint('out of luck', file=sys.stderr)\nsys.exit(1)\n")
    processes = Processes(Settings(data_dir=tmp_path), tmp_path / "logs")
    processes.add("unlucky", name)
    with pytest.raises(WorkerDiedError, match=r"unlucky ended with exit code 1, 5 time\(s\)") as error:
        watch(processes)
    assert "out of luck" in (error.value.hint or "")
    processes.stop()


@pytest.mark.parametrize(
    ("deaths", "is_over"),
    [
        pytest.param([("kill", 0)] * 12, False, id="killed from outside"),
        pytest.param([("exit", 61)] * 12, False, id="each after a while"),
        pytest.param([("exit", 1)] * 4 + [("exit", 61)] + [("exit", 1)] * 3, False, id="four in a row"),
        pytest.param([("exit", 61)] + [("exit", 1)] * 4, False, id="four after a while"),
        pytest.param([("exit", 61)] + [("exit", 1)] * 5, True, id="five after a while"),
        pytest.param([("exit", 1), ("kill", 0)] * 4 + [("exit", 1)], True, id="five with kills between"),
    ],
)
def test_only_failures_soon_after_the_start_count(
    deaths: list[tuple[str, float]], is_over: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes(Settings(data_dir=tmp_path), tmp_path / "logs")
    processes.add("unlucky", module(tmp_path, monkeypatch, "import time\ntime.sleep(60)\n"))
    worker = processes.workers["unlucky"]
    ended = 0
    try:
        for cause, lived_s in deaths:
            assert worker.process is not None
            worker.process.kill()
            worker.process.wait()
            worker.process.returncode = -signal.SIGKILL if cause == "kill" else 1
            worker.started_at -= lived_s
            ended += 1
            processes.restart_the_dead()
    except WorkerDiedError:
        assert (is_over, ended) == (True, len(deaths))
    else:
        assert not is_over
    finally:
        processes.stop(timeout_s=1.0)


def test_a_worker_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tmp_path / "ready"
    body = (
        "import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)\n"
    )
    name = module(tmp_path, monkeypatch, body)
    processes = Processes(Settings(data_dir=tmp_path), tmp_path / "logs")
    processes.add("stubborn", name)
    while not ready.exists():
        time.sleep(0.01)
    processes.stop(timeout_s=0.3)
    process = processes.workers["stubborn"].process
    assert process is not None
    assert process.returncode == -9


def test_the_environment_of_a_worker_gives_back_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(
        {
            "data_dir": tmp_path,
            "run": "a1",
            "kafka": {"bootstrap_servers": "h:1", "embedded": True, "extra": {"client.id": "x"}},
            "influx": {"token": "t0k"},
        }
    )
    env = environment(settings)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings
