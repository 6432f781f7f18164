"""Sends messages to the contacts of the alert rules by Apprise: mail, webhooks, chats, pagers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from vpp.alerting.rules import AlertRules
from vpp.errors import ConfigError
from vpp.messages import Severity

TIMEOUT_S = 30
_TYPES = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING, "info": NotifyType.INFO}
_MASK = "***"


@dataclass(frozen=True, slots=True)
class Sent:
    """Whether a service took a message, and why not, without secrets."""

    is_delivered: bool
    reason: str = ""


class ContactService:
    """The service behind one contact; ``send`` may be called from any thread.

    Args:
        name: The contact's name.
        address: Its address, as Apprise writes it.

    Raises:
        ConfigError: Apprise knows no such service, or the address lacks something.
    """

    def __init__(self, name: str, address: str) -> None:
        asset = AppriseAsset(async_mode=False, app_id="SmartGrid-AI", app_desc="Virtual power plant", app_url="")
        self._apprise = Apprise(asset=asset)
        self._secrets = [part for part in re.split(r"[/:@?&=]+", address)[1:] if len(part) >= 4]
        self.shown = f"{address.partition('://')[0]}://{_MASK}"
        if not self._apprise.add(address):
            raise ConfigError(
                f"contact {name}: {self.shown} is no address of a service that Apprise knows",
                hint="see docs/guide/alerts.md; special letters in passwords are written %40 and the like",
            )

    def send(self, title: str, text: str, severity: Severity) -> Sent:
        """Send one message and wait for the service, at most ``TIMEOUT_S``."""
        result = self._apprise.notify(
            body=text,
            title=title,
            notify_type=_TYPES[severity],
            body_format=NotifyFormat.TEXT,
            timeout=TIMEOUT_S,
            log_level=logging.WARNING,
        )
        if result:
            return Sent(is_delivered=True)
        messages = [entry.message for entry in result.logs()]
        return Sent(
            is_delivered=False, reason=self._without_secrets(messages[-1] if messages else result.status.name.lower())
        )

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text


def open_services(rules: AlertRules, environment: Mapping[str, str]) -> dict[str, ContactService]:
    """Return the service of each contact.

    Args:
        rules: The alert rules.
        environment: Gives the parts of addresses that are not in the file of rules, by name.

    Raises:
        ConfigError: An address is wrong, or its environment variable is not set.
    """
    # These libraries log addresses, which contain secrets; errors are logged here without them.
    for chatty in ("apprise", "urllib3", "oauthlib", "requests_oauthlib"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    return {name: ContactService(name, contact.address(environment)) for name, contact in rules.contacts.items()}
