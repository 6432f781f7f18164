"""Local services that take messages of alerts, with faults on demand: a webhook and a mail server."""

from __future__ import annotations

import email
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from http.server import BaseHTTPRequestHandler
from typing import Any

from aiosmtpd.controller import Controller

from console.local.broker import free_port
from tests.worlds.local_server import running_server


@dataclass
class Webhook:
    """A webhook on a free port of the loopback address.

    Attributes:
        faults: Statuses of the next answers; ``0``: no answer for longer than a client waits. Then all are taken.
        messages: What was taken, as (title, text).
        tried: How many requests came.
    """

    port: int = 0
    faults: list[int] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    tried: int = 0

    @property
    def url(self) -> str:
        """Its address for Apprise, with a secret in it."""
        return f"json://user:s3cretword@127.0.0.1:{self.port}/hook/T0KENT0KEN?rto=1"

    def titles(self) -> list[str]:
        """Titles of what was taken."""
        return [title for title, _ in self.messages]


@contextmanager
def webhook(*faults: int) -> Iterator[Webhook]:
    """Serve a webhook."""
    hook = Webhook(faults=list(faults))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.tried += 1
            status = hook.faults.pop(0) if hook.faults else 200
            if status == 0:
                time.sleep(2)
                return
            if status == 200:
                hook.messages.append((body["title"], body["message"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    with running_server(Handler) as hook.port:
        yield hook


class Mail:
    """What a mail server took, as (subject, text); ``refusals``: how many of the next mails it refuses."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.refusals = 0
        self.port = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd names it
        """Take or refuse one mail."""
        if self.refusals > 0:
            self.refusals -= 1
            return "451 try again later"
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        part = message.get_body(("plain",))
        self.messages.append((str(message["subject"]), "" if part is None else part.get_content()))
        return "250 taken"

    @property
    def url(self) -> str:
        """Its address for Apprise."""
        return (
            f"mailto://127.0.0.1:{self.port}?smtp=127.0.0.1&from=vpp@plant.test&to=ops@plant.test&mode=insecure&rto=2"
        )


@contextmanager
def mail_server() -> Iterator[Mail]:
    """Serve mail on a free port of the loopback address."""
    mail = Mail()
    mail.port = free_port()
    controller = Controller(mail, hostname="127.0.0.1", port=mail.port)
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()
