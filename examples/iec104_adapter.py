"""An adapter for a battery behind IEC 60870-5-104: a process of its own between the station and `vpp run gateway-http`.

It is no part of the package and needs Python alone. For a real station put a full library in place of ``Station`` (c104
is under the GPL 3, which binds the program that uses it: this one, not the gateway). Here is the least that a battery
needs: measured values as floats (types 13 and 36), a setpoint as a float (type 50), and the test frames.

    python examples/iec104_adapter.py 10.0.0.7:2404 --device battery-1 --power 100 --soc 101 --setpoint 200

The device list has ``gateway: http`` and ``address: http://127.0.0.1:8061/setpoint``. The token of the gateway is read
from ``VPP_WEBHOOK__TOKEN``. The station's powers are MW, positive into the grid; --scale gives MW per unit.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

log = logging.getLogger("iec104")

START, START_CONFIRM, TEST, TEST_CONFIRM = 0x07, 0x0B, 0x43, 0x83
FLOAT, FLOAT_WITH_TIME, SETPOINT, INTERROGATION = 13, 36, 50, 100
LENGTHS = {FLOAT: 5, FLOAT_WITH_TIME: 12}
ACTIVATION, CONFIRMATION, NEGATIVE, INVALID = 6, 7, 0x40, 0x80
ANSWER_S, READ_EVERY_S, RETRY_S, SILENT_S = 2.0, 1.0, 2.0, 10.0


class Station:
    """A connection to a controlled station that comes back by itself; values are of this connection alone.

    Args:
        host: Its address.
        port: Its port.
        common_address: Common address of its data.
    """

    def __init__(self, host: str, port: int, common_address: int = 1) -> None:
        self._place, self._common = (host, port), common_address
        self._line: socket.socket | None = None
        self._sent = self._received = 0
        self._lock = threading.Lock()
        self._confirmed: dict[int, bool] = {}
        self._news = threading.Condition()
        self.values: dict[int, float | None] = {}

    def run(self, stop: threading.Event) -> None:
        """Stay connected until stopped."""
        while not stop.is_set():
            try:
                with socket.create_connection(self._place, timeout=SILENT_S) as line:
                    self._sent = self._received = 0
                    self._line = line
                    self._reply(bytes([0x68, 4, START, 0, 0, 0]))
                    while not stop.is_set():
                        self._wait(line)
                        self._take(self._frame(line))
            except OSError as error:
                log.warning("station %s:%s: %s", *self._place, error)
            self._line = None
            self.values.clear()
            stop.wait(RETRY_S)

    def command(self, address: int, value: float) -> bool | None:
        """Send a setpoint; return whether the station confirms it, None: it does not answer."""
        with self._news:
            self._confirmed.pop(address, None)
            if not self._send(SETPOINT, ACTIVATION, address, struct.pack("<fB", value, 0)):
                return None
            self._news.wait_for(lambda: address in self._confirmed, ANSWER_S)
            return self._confirmed.pop(address, None)

    def _send(self, kind: int, cause: int, address: int, element: bytes) -> bool:
        body = struct.pack("<BBBBH", kind, 1, cause, 0, self._common) + address.to_bytes(3, "little") + element
        with self._lock:
            if self._line is None:
                return False
            frame = struct.pack("<BBHH", 0x68, 4 + len(body), self._sent << 1, self._received << 1) + body
            try:
                self._line.sendall(frame)
            except OSError:
                return False
            self._sent = (self._sent + 1) % 32768
        return True

    def _wait(self, line: socket.socket) -> None:
        """Wait for a frame; a station that says nothing, not even to a test, is lost."""
        try:
            line.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            self._reply(bytes([0x68, 4, TEST, 0, 0, 0]))
            line.recv(1, socket.MSG_PEEK)

    @staticmethod
    def _frame(line: socket.socket) -> bytes:
        def exactly(count: int) -> bytes:
            parts = b""
            while len(parts) < count:
                part = line.recv(count - len(parts))
                if not part:
                    raise ConnectionError("the station ended the connection")
                parts += part
            return parts

        start, length = exactly(2)
        if start != 0x68 or length < 4:
            raise ConnectionError("the station sent no IEC 104 frame")
        return exactly(length)

    def _reply(self, frame: bytes) -> None:
        with self._lock:
            if self._line is not None:
                self._line.sendall(frame)

    def _take(self, frame: bytes) -> None:
        if frame[0] & 3 == 3:
            if frame[0] == START_CONFIRM:
                self._send(INTERROGATION, ACTIVATION, 0, bytes([20]))
            if frame[0] == TEST:
                self._reply(bytes([0x68, 4, TEST_CONFIRM, 0, 0, 0]))
            return
        if frame[0] & 1:
            return  # a receipt
        self._received = (self._received + 1) % 32768
        self._reply(struct.pack("<BBHH", 0x68, 4, 1, self._received << 1))
        kind, count, cause = frame[4], frame[5], frame[6]
        body = frame[10:]
        if kind == SETPOINT and cause & 0x3F == CONFIRMATION:
            with self._news:
                self._confirmed[int.from_bytes(body[:3], "little")] = not cause & NEGATIVE
                self._news.notify_all()
        if kind in LENGTHS:
            self._measured(body, LENGTHS[kind], count)

    def _measured(self, body: bytes, length: int, count: int) -> None:
        in_sequence, number = bool(count & 0x80), count & 0x7F
        first = int.from_bytes(body[:3], "little")
        for n in range(number):
            at = 3 + n * length if in_sequence else n * (3 + length) + 3
            address = first + n if in_sequence else int.from_bytes(body[at - 3 : at], "little")
            value, quality = struct.unpack_from("<fB", body, at)
            self.values[address] = None if quality & INVALID else value


class Adapter:
    """Setpoints in over HTTP, readings out.

    Args:
        station: The station.
        options: Addresses of the values, scale, device and gateway.
        token: Of the gateway.
    """

    def __init__(self, station: Station, options: argparse.Namespace, token: str) -> None:
        self._station, self._options, self._token = station, options, token
        self._lock = threading.Lock()
        self._last: int | None = None
        self._setpoint_mw: float | None = None
        self._fallback: tuple[float, float] | None = None
        self._beat_at_s, self._heartbeat_s = time.monotonic(), 60.0

    def setpoint(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Take a setpoint and return the acknowledgement; None: the station does not answer."""
        with self._lock:
            sequence = int(body["sequence"])
            if self._last is not None and sequence <= self._last:
                return {"sequence": sequence, "accepted": sequence == self._last, "last": self._last}
            accepted = self._station.command(self._options.setpoint, body["power_mw"] / self._options.scale)
            if accepted is None:
                return None
            if accepted:
                self._last, self._setpoint_mw = sequence, body["power_mw"]
                self._fallback = (time.monotonic() + body["valid_for_s"], body["fallback_mw"])
                self._heartbeat_s = body["heartbeat_s"]
                self.beat()
            return {"sequence": sequence, "accepted": accepted, "last": self._last}

    def beat(self) -> bool:
        """Take a heartbeat of the gateway; return whether the station is there."""
        self._beat_at_s = time.monotonic()
        return bool(self._station.values)

    def watch(self) -> None:
        """Go to the fallback where a setpoint is over or the gateway is silent: the station has no watchdog."""
        with self._lock:
            if self._fallback is None:
                return
            now, (ends_at, fallback_mw) = time.monotonic(), self._fallback
            is_over = now >= ends_at or now - self._beat_at_s > self._heartbeat_s
            if is_over and self._station.command(self._options.setpoint, fallback_mw / self._options.scale):
                self._setpoint_mw, self._fallback = fallback_mw, None

    def report(self) -> None:
        """Post what the station measures now; nothing while it is away."""
        values, options = dict(self._station.values), self._options
        if options.power not in values:
            return
        power = values[options.power]
        reading = {
            "power_mw": None if power is None else power * options.scale,
            "soc": values.get(options.soc),
            "read_back_mw": self._setpoint_mw,
            "sequence": self._last,
        }
        request = urllib.request.Request(  # noqa: S310 - the address of the gateway, given by its operator
            f"{options.gateway}/v1/devices/{options.device}",
            data=json.dumps(reading).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, OSError) as error:
            log.warning("gateway %s: %s", options.gateway, error)


def served(adapter: Adapter, port: int) -> ThreadingHTTPServer:
    """Return the server that takes setpoints and heartbeats."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.endswith("/heartbeat"):
                return self._answer(200 if adapter.beat() else 503, {})
            try:
                answer = adapter.setpoint(json.loads(text))
            except (ValueError, KeyError, TypeError):
                return self._answer(400, {"detail": "no setpoint"})
            return self._answer(503, {}) if answer is None else self._answer(200, answer)

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing of single requests."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description="IEC 60870-5-104 adapter of vpp run gateway-http")
    parser.add_argument("station", help="host:port")
    parser.add_argument("--device", required=True, help="name in the device list")
    parser.add_argument("--power", type=int, required=True, help="address of the measured power")
    parser.add_argument("--soc", type=int, default=-1, help="address of the state of charge, 0 to 1")
    parser.add_argument("--setpoint", type=int, required=True, help="address of the setpoint")
    parser.add_argument("--common-address", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="MW per unit of power")
    parser.add_argument("--listen", type=int, default=8061, help="port for setpoints")
    parser.add_argument("--gateway", default="http://127.0.0.1:8060")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    host, _, port = options.station.rpartition(":")
    station, stop = Station(host, int(port), options.common_address), threading.Event()
    adapter = Adapter(station, options, os.environ["VPP_WEBHOOK__TOKEN"])
    threading.Thread(target=station.run, args=(stop,), daemon=True).start()
    threading.Thread(target=served(adapter, options.listen).serve_forever, daemon=True).start()
    try:
        while True:
            time.sleep(READ_EVERY_S)
            adapter.report()
            adapter.watch()
    except KeyboardInterrupt:
        stop.set()


if __name__ == "__main__":
    main()
