"""Groups of the user interfaces: the MCP server, the operator's page, the autonomous agent."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from vpp.settings.group import SettingsGroup


class McpSettings(SettingsGroup):
    """The MCP server."""

    profile: Literal["read", "operate"] = Field(default="read", description="operate adds the tools that act")
    host: str = Field(default="127.0.0.1", description="listen address; beyond loopback needs authentication")
    port: int = Field(default=8765, ge=0, le=65535, description="listen port (HTTP)")
    url: str = Field(default="", description="address that clients reach it by [http://HOST:PORT]")
    tokens: Path | None = Field(default=None, description="token hashes (HTTP), by `python -m mcp_server token`")
    jwks_uri: str | None = Field(default=None, description="keys of the organisation's token issuer (HTTP)")
    issuer: str | None = Field(default=None, description="required issuer of a token (HTTP)")
    audience: str | None = Field(default=None, description="required audience of a token (HTTP)")
    allowed_hosts: str = Field(default="", description="further allowed Host headers, comma-separated")
    allowed_origins: str = Field(default="", description="allowed browser origins, comma-separated")
    principal: str = Field(default="", max_length=80, description="who acts over stdio; default: the user")
    calls_per_s: float = Field(default=10.0, gt=0, description="rate limit per principal")
    burst: int = Field(default=60, ge=1, description="calls that a principal may make at once")
    approval: Literal["operator", "elicit", "budget"] = Field(
        default="operator", description="who approves plans: `vpp approve`, the client's user, or a daily budget"
    )
    budget_mw: float = Field(default=0.0, ge=0, description="budget mode: greatest change of one plan")
    budget_mwh_per_day: float = Field(default=0.0, ge=0, description="energy per principal, zone and UTC day")
    budget_cost_per_day: float = Field(default=0.0, ge=0, description="expected extra cost, in the zone's currency")

    @field_validator("principal")
    @classmethod
    def _is_of_no_other_kind(cls, value: str) -> str:
        if value.startswith("local:") or "#" in value or not value.isprintable():
            raise ValueError("a name with local: or # stands for a user of this machine or of a token issuer")
        return value


class PageSettings(SettingsGroup):
    """The operator's page and the REST API (`vpp dashboard`, also started by `vpp up`)."""

    host: str = Field(default="127.0.0.1", description="address that it listens on")
    port: int = Field(
        default=8050, ge=0, le=65535, description="0: any free port; `vpp up` takes another port if it is in use"
    )
    url: str = Field(default="", description="address that people open it by, for links [http://HOST:PORT]")
    tokens: Path | None = Field(default=None, description="token hashes, by `python -m mcp_server token`: login needed")
    session_h: float = Field(default=12.0, gt=0, le=720, description="hours until a login ends")
    allowed_hosts: str = Field(default="", description="host names of the page besides loopback, comma-separated")
    proxy_header: str = Field(default="", description="header with the user's name, set by a proxy that authenticates")
    proxy_from: str = Field(
        default="127.0.0.1", description="addresses of that proxy, comma-separated; others are not trusted"
    )
    proxy_operators: str = Field(
        default="", description="users of the proxy that may operate and approve, comma-separated"
    )
    secure: bool = Field(default=False, description="browsers reach it over TLS: cookies are sent over TLS alone")


def page_address(page: PageSettings) -> str:
    """Return where people open the page."""
    return _address(page.url, page.host, page.port)


def mcp_address(mcp: McpSettings) -> str:
    """Return where clients reach the MCP server over HTTP, without its path."""
    return _address(mcp.url, mcp.host, mcp.port)


def _address(url: str, host: str, port: int) -> str:
    return url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{port}"


class AgentSettings(SettingsGroup):
    """The autonomous grid agent (`vpp agent`) and its limits."""

    name: str = Field(default="grid", pattern=r"^[\w.-]{1,40}$", description="name in the audit: agent:NAME")
    brain: Literal["strategy", "llm"] = Field(default="strategy", description="llm needs agent.model")
    model: str = Field(default="", description="provider:name of a language model, as pydantic-ai writes it")
    api_key: SecretStr | None = Field(default=None, description="API key; default: the provider's own variable")
    base_url: str | None = Field(default=None, description="URL of the provider, for example a local server")
    url: str | None = Field(default=None, description="MCP server over HTTP; default: a server of its own over stdio")
    token: SecretStr | None = Field(default=None, description="for url")
    every_min: float = Field(
        default=30.0, gt=0, description="shortest time between two looks at a zone (run clock, min)"
    )
    poll_s: float = Field(default=10.0, gt=0, description="time between two polls for new data (s)")
    max_calls: int = Field(default=24, ge=1, description="most tool calls in one look")
    max_proposals: int = Field(default=2, ge=0, description="most proposals in one look")
    max_proposals_per_day: int = Field(default=24, ge=0, description="most proposals on one UTC day")
    max_power_mw: float = Field(default=10.0, ge=0, description="largest power of one asset in a proposal (MW)")
    max_duration_min: float = Field(default=480.0, gt=0, description="longest duration of a proposal (min)")
    max_extra_cost: float = Field(default=500.0, description="largest expected cost of a plan, in the zone's currency")
    max_tokens: int = Field(default=100_000, ge=1, description="most tokens of a language model in one look")
    max_s: float = Field(default=120.0, gt=0, description="longest wall time of one look (s)")
    may_hold: bool = Field(default=False, description="the agent may use the emergency stop")
