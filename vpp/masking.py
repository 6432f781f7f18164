"""Masks secrets in texts: passwords in addresses, tokens in parameters, values of free settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "**********"
_SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|credential|assertion|jaas|oauthbearer\.config|private|api.?key|key$|\.pem$", re.I
)
# To the last @ of the word: a password may hold one, and a slash.
_LOGIN = re.compile(r"(?<=://)\S*@")
_PARAMETER = re.compile(
    r"([?&#;\s]?[\w.-]*(?:token|key|pass|pwd|secret|auth|sig|credential|jwt)[\w.-]*=['\"]?)[^&;#\s'\"]+", re.I
)


def masked(text: str) -> str:
    """Return a text with the logins of its addresses, and the parameters that name a secret, masked.

    >>> masked("https://ann:a@/b@influx.example/q?org=a&token=b")
    'https://**********@influx.example/q?org=a&token=**********'
    """
    return _PARAMETER.sub(rf"\1{MASK}", _LOGIN.sub(f"{MASK}@", text))


def masked_setting(value: Any) -> str:
    """Return a setting as text: secrets by their names in maps, and in addresses, are masked; None is empty."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return str({name: MASK if _SECRET_NAME.search(name) else masked_setting(item) for name, item in value.items()})
    return masked(str(value))
