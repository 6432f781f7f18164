"""All settings, from command line > environment (``VPP_``) > ``.env`` > ``vpp.toml`` > defaults.

Nested groups are written ``VPP_KAFKA__BOOTSTRAP_SERVERS`` in the environment and ``[kafka]`` in ``vpp.toml``.
Unknown keys are refused. Settings are loaded at entry points only and passed down.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from vpp.errors import ConfigError, nearest_hint
from vpp.feed_settings import FeedSettings

PLACEHOLDER = "change-me"


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Group):
    """How to reach the broker, and how workers process."""

    bootstrap_servers: str = Field(default="", description="host:port,...; empty: the embedded broker of `vpp up`")
    embedded: bool = Field(default=False, description="the broker is the embedded one (set by `vpp up`)")
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="encryption and login of the connection"
    )
    sasl_mechanism: str | None = Field(default=None, description="login method, such as SCRAM-SHA-512")
    username: str | None = Field(default=None, description="SASL user; one per worker, see deploy/create-acls.sh")
    password: SecretStr | None = Field(default=None, description="SASL password")
    ssl_ca_location: Path | None = Field(default=None, description="certificate authority of the broker (PEM)")
    aws_region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
        description="log in to Amazon MSK with this process's IAM role, in this region (extra `aws`)",
    )
    partitions: int = Field(
        default=4, ge=1, le=512, description="partitions of every topic; must not change after the first start"
    )
    replication_factor: int = Field(default=1, ge=1, le=9, description="copies of every topic")
    processing_guarantee: Literal["at-least-once", "exactly-once"] = Field(
        default="at-least-once", description="exactly-once uses Kafka transactions and needs worker_id"
    )
    commit_interval_s: float = Field(default=2.0, gt=0, description="time between two commits of a worker (s)")
    worker_id: str | None = Field(default=None, description="stable name of this replica (static membership)")
    auto_create_topics: bool = Field(default=True, description="workers create missing topics")
    extra: dict[str, str] = Field(default_factory=dict, description="further librdkafka settings")


class StoreSettings(_Group):
    """Where tables are kept."""

    kind: Literal["sqlite", "influx"] = Field(default="sqlite", description="the database")
    path: Path | None = Field(default=None, description="SQLite file; default DATA_DIR/store.sqlite")
    retention_days: int | None = Field(default=None, ge=1, description="older rows are pruned; None keeps all")


class InfluxSettings(_Group):
    """The InfluxDB 2 server."""

    url: str = Field(default="http://127.0.0.1:8086", description="address of the server")
    org: str = Field(default="vpp", description="organisation")
    bucket: str = Field(default="vpp", description="bucket of all tables")
    token: SecretStr = Field(
        default=SecretStr(PLACEHOLDER), description="API token; the placeholder is refused in production"
    )
    timeout_s: float = Field(default=10.0, gt=0, description="limit of one request (s)")


class ForecastSettings(_Group):
    """How the forecast step behaves."""

    skill_window: int = Field(default=336, ge=8, description="scored forecasts per horizon in the live skill")
    min_history_days: float = Field(
        default=15.0, ge=1, le=40, description="days of net load that a model needs before it forecasts"
    )


class LiveSettings(_Group):
    """Live mode: pulse and deadlines."""

    pulse_s: float = Field(default=5.0, gt=0, description="time between two ticks (s)")
    close_after_s: float = Field(default=2.0, ge=0, description="a slot closes this long after its end")
    decide_after_s: float = Field(default=4.0, ge=0, description="missing bids are replaced this long after its end")


class McpSettings(_Group):
    """The MCP server."""

    profile: Literal["read", "operate"] = Field(default="read", description="operate adds the tools that act")
    host: str = Field(default="127.0.0.1", description="listen address; beyond loopback needs authentication")
    port: int = Field(default=8765, ge=0, le=65535, description="listen port (HTTP)")
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


class PageSettings(_Group):
    """The operator's page and the REST API (`vpp dashboard`, also started by `vpp up`)."""

    host: str = Field(default="127.0.0.1", description="address that it listens on")
    port: int = Field(
        default=8050, ge=0, le=65535, description="0: any free port; `vpp up` takes another port if it is in use"
    )
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


class MqttSettings(_Group):
    """The MQTT 5 broker of the MQTT gateway."""

    address: str = Field(default="127.0.0.1:1883", description="host:port of the broker")
    username: str = Field(default="", description="user of the gateway; devices have users of their own")
    password: SecretStr | None = Field(default=None, description="its password")
    ca: Path | None = Field(default=None, description="certificate of the broker's authority: the link is TLS then")
    prefix: str = Field(default="vpp", pattern=r"^[\w-]+$", description="first part of every topic name")
    home_assistant: bool = Field(default=False, description="show the devices in Home Assistant (discovery)")


class AgentSettings(_Group):
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


class MetricsSettings(_Group):
    """Health and Prometheus endpoint of a worker."""

    host: str = Field(default="127.0.0.1", description="listen address")
    port: int | None = Field(default=None, description="None: no endpoint")


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix="VPP_",
        env_nested_delimiter="__",
        env_ignore_empty=True,  # compose files pass on variables that nobody set as empty text
        env_file=".env",
        toml_file="vpp.toml",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    environment: Literal["development", "production"] = Field(
        default="development", description="production refuses placeholder secrets"
    )
    data_dir: Path = Field(default=Path(".vpp"), description="folder of all data of a run")
    fleet: Path | None = Field(default=None, description="fleet.yaml; its zones win over the shipped ones")
    devices: Path | None = Field(default=None, description="device list of the gateways (docs/guide/devices.md)")
    run: str = Field(
        default="",
        pattern=r"^[a-z0-9-]{0,32}$",
        description="name of the run: own topics, groups, rows",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="lowest level logged")
    log_format: Literal["text", "json"] = Field(default="text", description="json: one object per line")
    approval_key: SecretStr | None = Field(
        default=None, min_length=32, description="signs approvals of orders; unsigned ones are then refused"
    )
    longest_order_h: float = Field(default=48.0, gt=0, le=168, description="longest life of an order, in hours")
    one_person: bool = Field(default=False, description="whoever proposed a plan may approve it too")
    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    influx: InfluxSettings = InfluxSettings()
    forecast: ForecastSettings = ForecastSettings()
    live: LiveSettings = LiveSettings()
    feeds: FeedSettings = FeedSettings()
    mcp: McpSettings = McpSettings()
    page: PageSettings = PageSettings()
    mqtt: MqttSettings = MqttSettings()
    agent: AgentSettings = AgentSettings()
    metrics: MetricsSettings = MetricsSettings()

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: command line, environment, .env, vpp.toml.

        Args:
            settings_cls: The settings class.
            init_settings: Values from the command line; they win.
            env_settings: Environment variables.
            dotenv_settings: The file ``.env``.
            file_secret_settings: Files of secrets; not used.
        """
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            TomlConfigSettingsSource(settings_cls),
        )

    @property
    def topic_prefix(self) -> str:
        """Prefix of topic names: ``vpp.``, or ``vpp-RUN.`` for a named run."""
        return f"vpp-{self.run}." if self.run else "vpp."

    @property
    def store_path(self) -> Path:
        """The SQLite file."""
        return self.store.path or self.data_dir / "store.sqlite"

    @property
    def models_dir(self) -> Path:
        """The model registry."""
        return self.data_dir / "models"

    def group(self, topology: str) -> str:
        """Return the consumer group of a topology."""
        return f"{self.topic_prefix.rstrip('.')}-{topology}"

    def check_secrets(self) -> None:
        """Refuse placeholder secrets outside development.

        Raises:
            ConfigError: A secret still is its placeholder.
        """
        if self.environment == "development":
            return
        for name, secret in (
            ("influx.token", self.influx.token),
            ("kafka.password", self.kafka.password),
        ):
            used = name.startswith("kafka") or self.store.kind == "influx"
            if used and secret is not None and secret.get_secret_value() == PLACEHOLDER:
                raise ConfigError(
                    f"{name} still is the placeholder {PLACEHOLDER!r}",
                    hint=f"set VPP_{name.upper().replace('.', '__')}, or VPP_ENVIRONMENT=development on a test system",
                )


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Load the settings once, at an entry point.

    Args:
        overrides: Values given on the command line, nested as the groups are.

    Raises:
        ConfigError: A value is wrong or a key unknown; names the nearest valid key.
    """
    _refuse_unknown_env()
    try:
        settings = Settings(**dict(overrides or {}))
    except ValidationError as error:
        raise ConfigError("; ".join(_say(e) for e in error.errors()), hint="see `vpp config show`") from error
    settings.check_secrets()
    return settings


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield every valid key, nested ones with dots (``kafka.bootstrap_servers``)."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys(annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def env_name(key: str) -> str:
    """Return the environment variable of a key."""
    return "VPP_" + key.upper().replace(".", "__")


def sources(settings: Settings, overrides: Mapping[str, Any] | None = None) -> dict[str, tuple[str, str]]:
    """Return for every key its value as text (secrets masked) and where it comes from.

    The sources are ``command line``, ``environment``, ``.env``, ``vpp.toml`` and ``default``.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("command line", overrides or {}),
        ("environment", EnvSettingsSource(Settings)()),
        (".env", DotEnvSettingsSource(Settings)()),
        ("vpp.toml", TomlConfigSettingsSource(Settings)()),
    ]
    origins = {}
    for key in keys():
        path = key.split(".")
        where = next((name for name, layer in layers if _has(layer, path)), "default")
        value: Any = settings
        for part in path:
            value = getattr(value, part)
        origins[key] = (_masked(value), where)
    return origins


MASK = "**********"
_SECRET_NAME = re.compile(r"pass|secret|token|credential|jaas|oauthbearer\.config|private|key$|key\.pem|\.pem$", re.I)
_URL_LOGIN = re.compile(r"(?<=//)[^/@\s]*@")
_URL_VALUE = re.compile(r"(?i)([?&](?:[^=&\s]*(?:token|key|pass|secret|auth)[^=&\s]*)=)[^&\s]*")


def _masked(value: Any) -> str:
    """Return a setting as text, without passwords in addresses and in maps of free settings."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return str({name: MASK if _SECRET_NAME.search(name) else _masked(part) for name, part in value.items()})
    return _URL_VALUE.sub(rf"\1{MASK}", _URL_LOGIN.sub(f"{MASK}@", str(value)))


def _has(layer: Mapping[str, Any], path: list[str]) -> bool:
    value: Any = layer
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _refuse_unknown_env() -> None:
    valid = {env_name(key) for key in keys()}
    for name in os.environ:
        free = name.startswith(("VPP_TEST_", "VPP_KAFKA__EXTRA__"))
        if name.startswith("VPP_") and not free and name not in valid:
            raise ConfigError(f"unknown setting {name}", hint=nearest_hint(name, valid, "see `vpp config show`"))


def _say(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        hint = nearest_hint(key, keys(), otherwise="")
        return f"unknown setting {key}" + (f" ({hint})" if hint else "")
    return f"{key}: {error['msg']}"
