"""Claims of signed tokens: times bound the life of every token, and names say whose it is."""

from typing import Any

import pytest

from mcp_server.security.strict_jwt import CLOCK_SKEW_S, MAX_LIFE_S, claims_fault

NOW_S = 1_800_000_000.0
NO_TIMES: tuple[Any, ...] = ("x", float("nan"), {})
NO_ENDS: tuple[Any, ...] = (None, "soon", True, float("nan"), float("inf"), 1e308, NOW_S, NOW_S - 1, [1])
NO_NAMES: tuple[Any, ...] = (None, "", "  ", 7, ["a"])
GOOD: dict[str, Any] = {"iss": "https://issuer.example", "sub": "agent-7", "exp": NOW_S + 3600, "iat": NOW_S}


def test_a_token_with_an_end_holds() -> None:
    assert claims_fault(GOOD, NOW_S) is None
    assert claims_fault({name: GOOD[name] for name in ("iss", "sub", "exp")}, NOW_S) is None
    assert claims_fault({**GOOD, "nbf": NOW_S + CLOCK_SKEW_S}, NOW_S) is None


@pytest.mark.parametrize(
    "given",
    [
        *({"exp": end} for end in NO_ENDS),
        {"exp": NOW_S + MAX_LIFE_S + 2 * CLOCK_SKEW_S},
        {"iat": NOW_S + 7200, "exp": NOW_S + 7200 + MAX_LIFE_S},
        *({name: NOW_S + 3600} for name in ("nbf", "iat")),
        *({claim: time} for claim in ("nbf", "iat") for time in NO_TIMES),
        *({"sub": name} for name in NO_NAMES),
        {"iss": None},
    ],
    ids=str,
)
def test_others_do_not(given: dict[str, Any]) -> None:
    assert claims_fault({**GOOD, **given}, NOW_S) is not None
