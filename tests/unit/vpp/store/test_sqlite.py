"""What is special to the SQLite store: several processes, sudden death, readers before the file, foreign files."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from threading import Thread

import pytest

from tests.worlds.store_rows import forecast, slot, telemetry
from vpp.errors import ConfigError, UnreachableError
from vpp.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[4]


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process of its own that runs ``code`` with the tests and the product to import."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


WRITER = """
    import sys
    from pathlib import Path
    from tests.worlds.store_rows import telemetry
    from vpp.store.sqlite import SqliteStore
    zone = sys.argv[2]
    with SqliteStore(Path(sys.argv[1])) as store:
        for start in range(0, 200, 20):
            store.write("telemetry", [telemetry(i, float(i), zone=zone) for i in range(start, start + 20)])
"""
ENDLESS_WRITER = """
    import sys
    from itertools import count
    from pathlib import Path
    from tests.worlds.store_rows import asset, forecast
    from vpp.store.sqlite import SqliteStore
    from vpp.store.tables import BY_NAME
    with SqliteStore(Path(sys.argv[1])) as store:
        for i in count():
            rows = [forecast(i, h, 100.0) for h in range(30, 1441, 30)]
            store.write_all({BY_NAME["forecasts"]: rows, BY_NAME["assets"]: [asset(i, "B1", 5.0)]})
            print(i, flush=True)
"""


@pytest.mark.slow
class TestProcesses:
    def test_four_open_a_new_file_at_once_and_write_while_it_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        zones = ("A", "B", "C", "D")
        writers = [run_python(WRITER, path, zone) for zone in zones]
        with SqliteStore(path, read_only=True) as reader:
            seen = [0]
            while any(writer.poll() is None for writer in writers):
                seen.append(reader.count("telemetry"))
                time.sleep(0.01)
            assert seen == sorted(seen)
            assert [(writer.communicate()[0], writer.returncode) for writer in writers] == [("", 0)] * 4
            assert reader.count("telemetry") == 800
            assert reader.read("telemetry", zone="C").column("load_mw") == [float(i) for i in range(200)]

    @pytest.mark.drill("kill_workers")
    def test_a_killed_writer_leaves_whole_checkpoints(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        for _ in range(3):
            writer = run_python(ENDLESS_WRITER, path)
            assert writer.stdout is not None
            last = [int(writer.stdout.readline()) for _ in range(20)][-1]
            os.kill(writer.pid, signal.SIGKILL)
            output, _ = writer.communicate()
            last = max([last, *map(int, output.split())])
            with SqliteStore(path) as store:
                assert store.count("assets") >= last + 1
                assert store.count("forecasts") == 48 * store.count("assets")


class TestThreads:
    def test_threads_share_one_store(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "store.sqlite") as store:
            threads = [
                Thread(
                    target=lambda zone=zone: [
                        store.write("telemetry", [telemetry(i, 1.0, zone=zone)]) for i in range(20)
                    ]
                )
                for zone in ("A", "B")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert store.count("telemetry") == 40

    def test_a_scan_sees_the_state_of_one_moment(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "store.sqlite") as store:
            store.write("forecasts", [forecast(i, h, 1.0) for i in range(1000) for h in range(30, 1441, 30)])
            chunks = store.scan("forecasts")
            first = next(chunks)
            store.write("forecasts", [forecast(i, 2880, 1.0) for i in range(1000)])
            assert len(first) + sum(map(len, chunks)) == 48_000


class TestReaders:
    def test_a_file_that_does_not_exist_reads_as_empty_and_is_not_made(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "none" / "store.sqlite", read_only=True) as store:
            assert store.read("telemetry").values == []
            assert (store.count("ledger"), store.runs(), store.spans("assets")) == (0, (), ())
            store.ping()
        assert list(tmp_path.iterdir()) == []

    def test_a_reader_sees_the_file_come_be_replaced_and_go(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        with SqliteStore(path, read_only=True) as reader:
            with SqliteStore(path) as writer:
                writer.write("telemetry", [telemetry(0, 1.0)])
                assert reader.count("telemetry") == 1
            path.rename(tmp_path / "old.sqlite")
            assert reader.count("telemetry") == 0
            with SqliteStore(path) as writer:
                writer.write("telemetry", [telemetry(i, 1.0) for i in range(3)])
                assert reader.count("telemetry") == 3

    def test_an_empty_file_reads_as_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        path.touch()
        with SqliteStore(path, read_only=True) as store:
            assert store.count("telemetry") == 0

    def test_a_closed_store_says_so(self, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path / "store.sqlite")
        store.close()
        with pytest.raises(UnreachableError, match="closed"):
            store.count("telemetry")


class TestOtherFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "store.sqlite"
        SqliteStore(path).close()
        return path

    @pytest.mark.parametrize("read_only", [True, False])
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("UPDATE schema_version SET version = 9", "a newer version of this program \\(schema 9, here 1\\)"),
            ("UPDATE schema_version SET version = 0", "an? older version of this program \\(schema 0, here 1\\)"),
            ("UPDATE schema_version SET fingerprint = 'x'", "has other columns"),
            ("DROP TABLE schema_version", "no store of this program"),
        ],
    )
    def test_a_file_of_another_version_is_refused(self, path: Path, change: str, message: str, read_only: bool) -> None:
        connection = sqlite3.connect(path)
        connection.execute(change)
        connection.commit()
        connection.close()
        with pytest.raises(ConfigError, match=message) as caught:
            SqliteStore(path, read_only=read_only)
        assert "VPP_DATA_DIR" in str(caught.value.hint)

    @pytest.mark.parametrize("read_only", [True, False])
    def test_a_file_that_is_no_database_is_refused_and_left_alone(self, tmp_path: Path, read_only: bool) -> None:
        path = tmp_path / "store.sqlite"
        path.write_text("my notes, long enough to be taken for a page of a database " * 20)
        with pytest.raises(ConfigError, match="not a database"):
            SqliteStore(path, read_only=read_only)
        assert path.read_text().startswith("my notes")

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UnreachableError):
            SqliteStore(tmp_path / "file" / "store.sqlite")


class TestFile:
    def test_times_are_iso_text_that_any_tool_reads(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        with SqliteStore(path, "r1") as store:
            store.write("telemetry", [telemetry(0, 1.0), telemetry(1, 2.0)])
            connection = sqlite3.connect(path)
            result = connection.execute(
                "SELECT run, zone, slot, load_mw FROM telemetry WHERE slot > '2022-01-01T00:00:00Z'"
            )
            assert result.fetchall() == [("r1", "GB", "2022-01-01T00:30:00Z", 2.0)]
            connection.close()

    def test_ranges_use_the_primary_key(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        SqliteStore(path).close()
        connection = sqlite3.connect(path)
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM forecasts WHERE run = '' AND zone = 'GB' AND issued_at >= '2022' "
            "ORDER BY issued_at, zone, horizon_min, target"
        ).fetchall()
        connection.close()
        assert [row[3] for row in plan] == ["SEARCH forecasts USING PRIMARY KEY (run=? AND zone=? AND issued_at>?)"]

    def test_a_locked_file_is_unreachable_for_now(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vpp.store.sqlite.BUSY_TIMEOUT_S", 0.05)
        path = tmp_path / "store.sqlite"
        with SqliteStore(path) as store:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnreachableError, match="locked") as caught:
                store.write("telemetry", [telemetry(0, 1.0)])
            assert caught.value.retry_after_s == 1.0
            other.execute("ROLLBACK")
            other.close()
            assert store.write("telemetry", [telemetry(0, 1.0)]) == 1
            assert store.read("telemetry").column("slot") == [slot(0)]
