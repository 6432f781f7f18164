"""The whole configuration: the groups, the settings without a group and the order of the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from vpp.errors import ConfigError
from vpp.settings.connections import PLACEHOLDER, InfluxSettings, KafkaSettings, MetricsSettings, StoreSettings
from vpp.settings.devices import MqttSettings, OpenAdrSettings, WebhookSettings
from vpp.settings.faces import AgentSettings, McpSettings, PageSettings
from vpp.settings.feeds import FeedSettings
from vpp.settings.running import ForecastSettings, LiveSettings
from vpp.settings.secret_files import SecretFiles, folder_of
from vpp.settings.signing import SigningSettings


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
    fleet: Path | None = Field(default=None, description="fleet.yaml; its zones override the shipped ones")
    devices: Path | None = Field(default=None, description="device list of the gateways (docs/guide/devices.md)")
    alert_rules: Path | None = Field(default=None, description="rules and contacts of alerts (docs/guide/alerts.md)")
    secrets_dir: Path | None = Field(
        default=None, description="folder of secrets, one file per setting, named by its key (signing.key)"
    )
    contact_secrets_dir: Path | None = Field(
        default=None, description="folder of secrets of alert contacts: the file NAME gives ${NAME}"
    )
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
    inference: Literal["local", "remote"] = Field(
        default="local", description="who runs the net-load model: the forecast worker, or another process or Lambda"
    )
    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    influx: InfluxSettings = InfluxSettings()
    forecast: ForecastSettings = ForecastSettings()
    live: LiveSettings = LiveSettings()
    feeds: FeedSettings = FeedSettings()
    mcp: McpSettings = McpSettings()
    page: PageSettings = PageSettings()
    mqtt: MqttSettings = MqttSettings()
    webhook: WebhookSettings = WebhookSettings()
    openadr: OpenAdrSettings = OpenAdrSettings()
    agent: AgentSettings = AgentSettings()
    metrics: MetricsSettings = MetricsSettings()
    signing: SigningSettings = SigningSettings()

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
        """Order the sources: command line, environment, files of secrets, .env, vpp.toml.

        Args:
            settings_cls: The settings class.
            init_settings: Values from the command line; they win.
            env_settings: Environment variables.
            dotenv_settings: The file ``.env``.
            file_secret_settings: Files of secrets as pydantic-settings reads them; ``SecretFiles`` replaces it.
        """
        toml_settings = TomlConfigSettingsSource(settings_cls)
        folder = folder_of(init_settings, env_settings, dotenv_settings, toml_settings)
        secret_files = SecretFiles(settings_cls, folder)
        return init_settings, env_settings, secret_files, dotenv_settings, toml_settings

    @property
    def topic_prefix(self) -> str:
        """Prefix of topic names: ``vpp.``, or ``vpp-RUN.`` for a named run."""
        return f"vpp-{self.run}." if self.run else "vpp."

    @property
    def approval_secret(self) -> bytes | None:
        """The secret that approvals are signed with, None if none is set."""
        return None if self.approval_key is None else self.approval_key.get_secret_value().encode()

    @property
    def store_path(self) -> Path:
        """The SQLite file, or the folder of Parquet files."""
        return self.store.path or self.data_dir / f"store.{self.store.kind}"

    @property
    def models_dir(self) -> Path:
        """The model registry."""
        return self.data_dir / "models"

    def group(self, topology: str) -> str:
        """Return the consumer group of a topology; storage that writes history has its own, beside another store's."""
        name = f"{self.topic_prefix.rstrip('.')}-{topology}"
        return f"{name}-history" if topology == "storage" and self.store.kind == "parquet" else name

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
            used = name.startswith("kafka") or (self.store.kind == "influx" and self.influx.token_file is None)
            if used and secret is not None and secret.get_secret_value() == PLACEHOLDER:
                raise ConfigError(
                    f"{name} still is the placeholder {PLACEHOLDER!r}",
                    hint=f"set VPP_{name.upper().replace('.', '__')}, or VPP_ENVIRONMENT=development on a test system",
                )
