"""JSON web tokens of an organisation's issuer, with checks of all times and names in them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from fastmcp.server.auth import AccessToken
from fastmcp.server.auth.providers.jwt import JWTVerifier

MAX_LIFE_S = 24 * 3600.0
CLOCK_SKEW_S = 60.0


class StrictJwt(JWTVerifier):
    """Verifies tokens of one issuer: signature, issuer, audience and scopes, then the claims by ``claims_fault``.

    The principal is ``ISSUER#SUBJECT``, so it cannot be equal to the owner of a local token.
    """

    async def load_access_token(self, token: str) -> AccessToken | None:
        """Return the access of a token, None if it is not valid."""
        access = await super().load_access_token(token)
        if access is None or claims_fault(access.claims or {}, time.time()) is not None:
            return None
        claims = access.claims or {}
        return access.model_copy(update={"subject": f"{claims['iss']}#{claims['sub']}"})


def claims_fault(claims: Mapping[str, Any], now_s: float) -> str | None:
    """Return why the claims of a signed token are not valid now, None if they are valid.

    Args:
        claims: All claims; ``exp``, ``iss`` and ``sub`` are required, ``nbf`` and ``iat`` are checked if present.
        now_s: Seconds since 1970.
    """
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    for name, value in times.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number and (value is not None or name == "exp"):
            return f"{name} is not a time"
    if not all(isinstance(claims.get(name), str) and claims[name].strip() for name in ("iss", "sub")):
        return "iss or sub is missing"
    expires_s, issued_s = float(claims["exp"]), float(claims.get("iat", now_s))
    if expires_s <= now_s:
        return "it has expired"
    if expires_s > min(now_s, issued_s) + MAX_LIFE_S + CLOCK_SKEW_S:
        return f"it is valid for more than {MAX_LIFE_S / 3600:g} h"
    if any(float(times[name] or 0.0) > now_s + CLOCK_SKEW_S for name in ("nbf", "iat")):
        return "it is not valid yet"
    return None
