"""What each answer of an InfluxDB server becomes, asked of a small HTTP server that gives just that answer."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.worlds.store_rows import telemetry
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore

SECRET = "a-token-that-must-not-show"


class Answering(ThreadingHTTPServer):
    """Answers every request with the next of ``answers``, the last one for ever, and keeps the bodies."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str], str]] = [(204, {}, "")]
        self.bodies: list[str] = []

    @property
    def store(self) -> InfluxStore:
        return InfluxStore(InfluxSettings(url=f"http://127.0.0.1:{self.server_port}", token=SECRET, timeout_s=2))


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        code, headers, body = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_busy_server_says_when_to_come_back(server: Answering, code: int) -> None:
    server.answers = [(code, {"Retry-After": "7"}, '{"message":"too much"}')]
    with server.store as store, pytest.raises(UnreachableError, match=f"busy \\({code}\\).*too much") as caught:
        store.write("telemetry", [telemetry(0, 1.0)])
    assert caught.value.retry_after_s == 7.0


def test_without_a_word_on_when_it_is_five_seconds(server: Answering) -> None:
    server.answers = [(503, {}, "")]
    with server.store as store, pytest.raises(UnreachableError) as caught:
        store.read("telemetry")
    assert caught.value.retry_after_s == 5.0


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        (401, "refuses the token", "VPP_INFLUX__TOKEN"),
        (403, "refuses the token", "VPP_INFLUX__TOKEN"),
        (404, "does not know organisation 'vpp' or bucket 'vpp'", "influx bucket create -n vpp -o vpp"),
    ],
)
def test_what_waiting_does_not_mend_names_the_next_step(server: Answering, code: int, message: str, hint: str) -> None:
    server.answers = [(code, {}, '{"message":"no"}')]
    with server.store as store, pytest.raises(ConfigError, match=message) as caught:
        store.write("telemetry", [telemetry(0, 1.0)])
    assert hint in str(caught.value.hint)
    assert SECRET not in f"{caught.value}{caught.value.hint}"


def test_a_refused_token_of_a_file_is_to_be_renewed(server: Answering, tmp_path: Path) -> None:
    server.answers = [(401, {}, '{"message":"no"}')]
    file = tmp_path / "token"
    file.write_text(SECRET)
    settings = InfluxSettings(url=f"http://127.0.0.1:{server.server_port}", token_file=file, timeout_s=2)
    with InfluxStore(settings) as store, pytest.raises(ConfigError, match="refuses the token") as caught:
        store.write("telemetry", [telemetry(0, 1.0)])
    assert f"renew {file} with `vpp store tokens`" in str(caught.value.hint)
    assert SECRET not in f"{caught.value}{caught.value.hint}"


def test_a_row_that_the_server_refuses_is_a_data_error(server: Answering) -> None:
    server.answers = [(400, {}, '{"message":"field type conflict"}')]
    with server.store as store, pytest.raises(DataError, match="field type conflict"):
        store.write("telemetry", [telemetry(0, 1.0)])


def test_points_outside_the_retention_are_dropped_with_a_warning(
    server: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [(422, {}, '{"message":"points beyond retention policy"}')]
    with server.store as store:
        assert store.write("telemetry", [telemetry(0, 1.0)]) == 1
    assert "points beyond retention policy" in caplog.text


def test_a_port_where_nobody_listens() -> None:
    settings = InfluxSettings(url="http://127.0.0.1:9", token=SECRET, timeout_s=1)
    with InfluxStore(settings) as store, pytest.raises(UnreachableError, match="does not answer") as caught:
        store.ping()
    assert "VPP_INFLUX__URL" in str(caught.value.hint)


def test_an_outage_in_the_middle_loses_nothing_when_written_again(server: Answering) -> None:
    rows = [telemetry(i, 1.0) for i in range(12_000)]
    server.answers = [(204, {}, ""), (503, {}, ""), (204, {}, "")]
    with server.store as store:
        with pytest.raises(UnreachableError):
            store.write("telemetry", rows)
        store.write("telemetry", rows)
    lines = {line for body in [server.bodies[0], *server.bodies[2:]] for line in body.splitlines()}
    assert len(lines) == 12_000
    assert [len(body.splitlines()) for body in server.bodies] == [5000, 5000, 5000, 5000, 2000]


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_a_zone_whose_rows_come_or_go_between_two_questions_has_no_span_yet(server: Answering, silent: int) -> None:
    header = ",result,table,_time,_value,zone\n"
    lines = [f",,0,2025-07-05T00:00:00Z,1,{zone}\n" for zone in ("NSW1", "VIC1")]
    server.answers = [(200, {}, header + "".join(lines[1:] if at == silent else lines)) for at in range(3)]
    with server.store as store:
        assert [(span.zone, span.rows) for span in store.spans("ledger")] == [("VIC1", 1)]
