"""An MQTT 5 broker as a child of this process, for the simulator and tests: on loopback, without access rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import iotcore

from vpp.errors import UnreachableError

_CONFIG = """\
id = 0
[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
"""


@contextmanager
def embedded_broker(port: int, directory: Path) -> Iterator[None]:
    """Run a broker on 127.0.0.1 while the block lasts; it ends with this process.

    Args:
        port: Its port.
        directory: Where its configuration is written.

    Raises:
        UnreachableError: The port is taken, or it does not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / f"mqtt-{port}.toml"
    config.write_text(_CONFIG.format(port=port), encoding="utf-8")
    try:
        broker = iotcore.Broker(config_path=str(config)).start()
    except (OSError, RuntimeError) as error:
        raise UnreachableError(f"the MQTT broker does not start on port {port}: {error}") from error
    try:
        yield
    finally:
        broker.stop()
