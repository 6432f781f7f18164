"""Groups of the device gateways."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from vpp.settings.group import SettingsGroup


class MqttSettings(SettingsGroup):
    """The MQTT 5 broker of the MQTT gateway."""

    address: str = Field(default="127.0.0.1:1883", description="host:port of the broker")
    username: str = Field(default="", description="user of the gateway; devices have users of their own")
    password: SecretStr | None = Field(default=None, description="its password")
    ca: Path | None = Field(default=None, description="certificate of the broker's authority: the link is TLS then")
    prefix: str = Field(default="vpp", pattern=r"^[\w-]+$", description="first part of every topic name")
    home_assistant: bool = Field(default=False, description="show the devices in Home Assistant (discovery)")


class OpenAdrSettings(SettingsGroup):
    """The VTN of the OpenADR 3 gateway."""

    url: str | None = Field(default=None, pattern=r"^https?://", description="base address of the VTN's API")
    zone: str = Field(default="", description="zone that its events are of")
    client_id: str = Field(default="", description="OAuth 2 client at the VTN")
    client_secret: SecretStr | None = Field(default=None, description="its secret; without it no token is asked for")
    program: str | None = Field(default=None, description="only events of this program (its id)")
    ven_name: str | None = Field(default=None, description="only events that are targeted at this VEN")
    poll_s: float = Field(default=60.0, gt=0, description="time between two requests for events (s)")


class WebhookSettings(SettingsGroup):
    """The webhook of the HTTP gateway."""

    host: str = Field(default="127.0.0.1", description="address to listen on; put TLS in front of any other")
    port: int = Field(default=8060, ge=1, le=65535, description="port to listen on")
    token: SecretStr | None = Field(default=None, description="what senders show as Bearer; without it nothing listens")
    device_token: SecretStr | None = Field(default=None, description="what the gateway shows to HTTP devices as Bearer")
