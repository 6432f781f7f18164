"""Lambda's runtime API on loopback, and our function in AWS's own runtime client behind it."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from types import TracebackType
from typing import Any, Self

from console.local.processes import environment
from tests.worlds.documents import ROOT
from vpp.messages import FeatureRow, encode
from vpp.settings import Settings

HANDLER = "topologies.lambda_inference.handler"
ANSWER_WITHIN_S = 120.0
STOP_WITHIN_S = 10.0


def kafka_record(row: FeatureRow, offset: int, *, partition: int = 0, value: bytes | None = None) -> dict[str, Any]:
    """Return a record as Lambda sends it: key and value in base64."""
    return {
        "topic": "vpp.features",
        "partition": partition,
        "offset": offset,
        "timestamp": 1_615_161_600_000,
        "timestampType": "LOG_APPEND_TIME",
        "key": base64.b64encode(row.zone.encode()).decode(),
        "value": base64.b64encode(encode(row) if value is None else value).decode(),
        "headers": [],
    }


def kafka_event(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of Amazon MSK."""
    by_partition: dict[str, list[Mapping[str, Any]]] = {}
    for one in records:
        by_partition.setdefault(f"{one['topic']}-{one['partition']}", []).append(one)
    return {"eventSource": "aws:kafka", "bootstrapServers": "b-1:9098", "records": by_partition}


class LambdaRuntime:
    """One environment of the function; a context manager.

    Args:
        settings: Settings of the function, given to it as environment variables.
    """

    def __init__(self, settings: Settings) -> None:
        self._events: Queue[dict[str, Any]] = Queue()
        self._answers: Queue[tuple[str, Any]] = Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._environment = (
            os.environ
            | environment(settings)
            | {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "vpp-inference",
                "PYTHONPATH": str(ROOT),
            }
        )

    def __enter__(self) -> Self:
        self._thread.start()
        command = [sys.executable, "-m", "awslambdaric", HANDLER]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The client waits for the next event without end.
        self._process.kill()
        self._process.wait(STOP_WITHIN_S)
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return what the function answers to an event.

        Raises:
            RuntimeError: It failed.
        """
        self._events.put(dict(event))
        path, answer = self._answers.get(timeout=ANSWER_WITHIN_S)
        if not path.endswith("/response"):
            raise RuntimeError(f"{path}: {answer}")
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        events, answers = self._events, self._answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(events.get()).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "request")
                self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:1:function:vpp")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers.put((self.path, json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # name is the base class's
                pass

        return Handler
