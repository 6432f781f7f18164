"""Local servers that answer as the providers of language models document it: a tool call first, then a report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOOL = "get_overview"
ARGUMENTS = {"zone": "Z"}
REPORT = "As of 10:00Z all is well: 10 MW below the cap."


class LlmServer(ThreadingHTTPServer):
    """Answers ``/v1/responses``, ``/v1/chat/completions``, ``/v1/messages`` with a call of a tool, then a report.

    A ``status`` but 200 is a fault.
    """

    def __init__(self, status: int = 200, tool: str = TOOL, arguments: dict[str, Any] = ARGUMENTS) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.tool, self.arguments = status, tool, arguments
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Where it answers, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def llm_server(status: int = 200, tool: str = TOOL, arguments: dict[str, Any] = ARGUMENTS) -> Iterator[LlmServer]:
    """Serve while the block runs."""
    server = LlmServer(status, tool, arguments)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: LlmServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        self.server.asked.append((path, {name.lower(): value for name, value in self.headers.items()}, body))
        if self.server.status == 200:
            shape = {"/v1/responses": _responses, "/v1/chat/completions": _chat, "/v1/messages": _messages}[path]
            answer = shape(body, self.server.tool, self.server.arguments)
        else:
            answer = {"error": {"type": "fault", "message": "no", "code": "fault"}}
        data = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _responses(body: dict[str, Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    is_told = any(isinstance(item, dict) and item.get("type") == "function_call_output" for item in body["input"])
    text = {"type": "output_text", "text": REPORT, "annotations": []}
    message = {"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": [text]}
    wanted = {"type": "function_call", "id": "f1", "call_id": "c1", "name": tool, "arguments": json.dumps(arguments)}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": "r1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": body["model"],
        "output": [message if is_told else {**wanted, "status": "completed"}],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, **details},
    }


def _chat(body: dict[str, Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    is_told = any(message["role"] == "tool" for message in body["messages"])
    function = {"name": tool, "arguments": json.dumps(arguments)}
    wanted = {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
    message = {"role": "assistant", **({"content": REPORT} if is_told else wanted)}
    return {
        "id": "r1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop" if is_told else "tool_calls"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def _messages(body: dict[str, Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    blocks = [
        block for message in body["messages"] if isinstance(message["content"], list) for block in message["content"]
    ]
    is_told = any(block["type"] == "tool_result" for block in blocks)
    wanted = {"type": "tool_use", "id": "c1", "name": tool, "input": arguments}
    return {
        "id": "r1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": REPORT} if is_told else wanted],
        "stop_reason": "end_turn" if is_told else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
