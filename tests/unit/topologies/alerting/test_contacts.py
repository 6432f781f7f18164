"""Contacts reach real services on this machine, say why one took nothing, and keep secrets to themselves."""

from __future__ import annotations

import logging

import pytest

from tests.worlds.alerting.records import rules_of
from tests.worlds.alerting.services import mail_server, webhook
from topologies.alerting.contacts import ContactService, open_services
from vpp.errors import ConfigError


def test_a_webhook_takes_title_and_text() -> None:
    with webhook() as hook:
        assert ContactService("desk", hook.url).send("[WARNING] Z", "since noon\n", "warning").is_delivered
        assert hook.messages == [("[WARNING] Z", "since noon")]


@pytest.mark.parametrize("fault", [pytest.param(500, id="error"), pytest.param(0, id="no answer"), 429, 403])
def test_what_a_webhook_refuses_is_not_delivered_and_the_reason_holds_no_secret(
    fault: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with webhook(fault) as hook:
        service = open_services(rules_of(contacts={"desk": hook.url, "boss": hook.url}), {})["desk"]
        sent = service.send("title", "text", "critical")
        assert not sent.is_delivered
        assert sent.reason
        text = f"{sent} {service.shown} {caplog.text}"
        assert "s3cretword" not in text
        assert "T0KENT0KEN" not in text
        assert hook.messages == []
        assert service.send("title", "text", "critical").is_delivered


def test_a_service_that_is_away_is_not_delivered() -> None:
    with webhook() as hook:
        address = hook.url
    assert not ContactService("desk", address).send("title", "text", "info").is_delivered


def test_mail_arrives_and_a_refused_one_is_not_delivered() -> None:
    with mail_server() as mail:
        mail.refusals = 1
        assert (
            not ContactService("mail", mail.url)
            .send("[CRITICAL] Z: import cap exceeded", "text", "critical")
            .is_delivered
        )
        assert (
            ContactService("mail", mail.url)
            .send("[CRITICAL] Z: import cap exceeded", "text\nmore", "critical")
            .is_delivered
        )
        ((subject, text),) = mail.messages
        assert subject == "[CRITICAL] Z: import cap exceeded"
        assert text.split() == ["text", "more"]


@pytest.mark.parametrize("address", ["jsn://host", "pagerduty://", "no address", "slack://T1"])
def test_an_address_that_is_none_is_refused_without_its_secrets(address: str) -> None:
    with pytest.raises(ConfigError, match="contact desk") as refused:
        ContactService("desk", address)
    assert address.partition("://")[2] == "" or address.partition("://")[2] not in str(refused.value)
