"""The alerts worker on a broker: what is not taken is told later, through a kill too, once and in few messages."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.local.broker import EmbeddedBroker
from tests.plant_fixtures import Place, make_place
from tests.worlds.alerting.records import alert, taken_on
from tests.worlds.alerting.services import mail_server, webhook
from topologies.control.publisher import Post
from topologies.control.topic_tail import tail
from vpp.messages import AlertCode
from vpp.streams.kafka import create_topics
from vpp.streams.topics import ALERTS

pytestmark = [pytest.mark.stream, pytest.mark.slow]

RULES = """
live_within_min: null
contacts:
  hook: {{url: "json://user:${{HOOK_PASSWORD}}@127.0.0.1:{hook}/T0KENT0KEN?rto=1", gap_s: 0}}
  mail: {{url: "{mail}", gap_s: 0}}
"""


def wait_for(look: Callable[[], bool], place: Place, until_s: float = 90.0) -> None:
    deadline = time.monotonic() + until_s
    while not look():
        assert time.monotonic() < deadline, place.said()
        time.sleep(0.1)


@contextmanager
def broker_of(place: Place, folder: Path) -> Iterator[None]:
    """Give a place a broker where it has none."""
    if "VPP_KAFKA__BOOTSTRAP_SERVERS" in place.environment:
        yield
        return
    with EmbeddedBroker(folder / "broker.log") as broker:
        place.environment.update({"VPP_KAFKA__BOOTSTRAP_SERVERS": broker.address, "VPP_KAFKA__EMBEDDED": "true"})
        yield


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(30)


def told(messages: list[tuple[str, str]]) -> Counter[str]:
    """How often each alert was told, by its id in the text."""
    words = [line.split()[4] for _, text in messages for line in text.splitlines() if "vpp alerts ack" in line]
    return Counter(words)


def test_alerts_are_reported_through_faults_and_a_kill(tmp_path: Path) -> None:
    place = make_place(tmp_path / "plant")
    with broker_of(place, tmp_path), webhook(500) as hook, mail_server() as mail:
        rules = tmp_path / "alerts.yaml"
        rules.write_text(RULES.format(hook=hook.port, mail=mail.url))
        place.environment.update({"VPP_ALERT_RULES": str(rules), "HOOK_PASSWORD": "s3cretword"})
        settings = place.settings
        create_topics(settings)
        post = Post(settings, "cli")
        for name in ("a1", "a2", "a3"):
            post(ALERTS.name, alert(name))
        first = place.start("run", "alerts")
        try:
            wait_for(lambda: set(told(hook.messages)) == {"a1", "a2", "a3"}, place)
            wait_for(lambda: set(told(mail.messages)) == {"a1", "a2", "a3"}, place)
            wait_for(lambda: len(kinds(place, "notice")) == 6, place)
        finally:
            end(first, signal.SIGKILL)
        first_output = place.said()
        post(ALERTS.name, alert("a4", AlertCode.REFLEX, severity="critical"))
        post(ALERTS.name, alert("a5"))
        post(ALERTS.name, taken_on("a5", datetime.now(UTC)))
        second = place.start("run", "alerts")
        try:
            wait_for(lambda: "a4" in told(hook.messages) and "a4" in told(mail.messages), place)
            wait_for(lambda: len(kinds(place, "notice")) == 8, place)
        finally:
            assert end(second, signal.SIGTERM) == 0, place.said()
        assert told(hook.messages) == {"a1": 1, "a2": 1, "a3": 1, "a4": 1}, "none twice, and a5 is taken on"
        assert told(mail.messages) == told(hook.messages)
        assert hook.tried - len(hook.messages) == 1
        assert len(hook.messages) <= 4
        assert "[CRITICAL] Z: no plan, reflex active" in hook.titles()
        secrets = first_output + place.said() + "".join(text for _, text in hook.messages)
        assert "s3cretword" not in secrets
        assert "T0KENT0KEN" not in secrets


def kinds(place: Place, kind: str) -> list[object]:
    """Records of one kind on the topic of alerts."""
    records = tail(place.settings, ALERTS, last=100, timeout_s=1.0)
    return [one for one in records if one["value"].get("kind") == kind]
