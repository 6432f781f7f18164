"""The device list: asset, connection and tolerances of each device."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from agents.devices.rules import DeviceRules
from vpp.errors import ConfigError
from vpp.fleet.assets import Strict
from vpp.validation_text import describe
from vpp.yaml_text import read_yaml, text_of

GatewayKind = Literal["modbus", "mqtt", "http"]
BEATS_PER_WATCHDOG = 3


class SparkplugMetric(Strict):
    """The metric of a Sparkplug B node that a meter is: read alone, never commanded."""

    group: str = Field(pattern=r"^[^/+#]+$")
    node: str = Field(pattern=r"^[^/+#]+$", description="edge node")
    device: str = Field(default="", pattern=r"^[^/+#]*$", description="device behind it; empty: the node itself")
    metric: str = Field(description="name of the metric, as births give it")
    scale: float = Field(description="MW per unit of the metric; negative where it counts consumption as positive")


class DeviceEntry(Strict):
    """One device of the list. Times are seconds, powers MW, positive into the grid."""

    name: str = Field(pattern=r"^[\w.-]{1,60}$")
    zone: str
    gateway: GatewayKind
    nameplate_mw: float = Field(gt=0, description="rated power; tolerances scale with it")
    asset_id: str | None = Field(default=None, description="the asset of the fleet file that the device is")
    channel: str | None = Field(default=None, description="the zone's channel that it measures, such as load_mw")
    map: str = Field(default="", description="Modbus: a shipped register map, or the path of one")
    address: str = Field(default="", description="Modbus: host:port; HTTP: where setpoints are posted to")
    unit: int = Field(default=1, ge=0, le=247, description="Modbus: device id behind that address")
    control: Literal["power", "limit"] = Field(default="power", description="MQTT and HTTP: what it takes")
    safe_default_mw: float = Field(default=0.0, description="what it does without a heartbeat")
    heartbeat_s: float = Field(default=60.0, gt=0, description="without a heartbeat for so long it does that")
    answer_s: float = Field(default=2.0, gt=0)
    settle_s: float = Field(default=5.0, ge=0)
    cycle_s: float = Field(default=1.0, gt=0)
    grace_s: float = Field(default=30.0, ge=0, description="time that a setpoint may be late before the fallback")
    tolerance: float = Field(default=0.03, gt=0, lt=1, description="share of the nameplate that counts as following")
    ramp_mw_per_s: float | None = Field(default=None, gt=0)
    sparkplug: SparkplugMetric | None = Field(default=None, description="MQTT: a meter that speaks Sparkplug B")
    energy_mwh: float | None = Field(default=None, gt=0, description="simulator: energy of a battery [2 h of power]")
    soc_start: float = Field(default=0.5, ge=0, le=1, description="simulator: charge at its start")

    @model_validator(mode="after")
    def _use(self) -> DeviceEntry:
        if (self.asset_id is None) == (self.channel is None):
            raise ValueError("a device is an asset (asset_id) or measures a channel (channel)")
        if self.sparkplug is not None and (self.gateway != "mqtt" or self.channel is None):
            raise ValueError("a Sparkplug device is read alone: it has gateway: mqtt and a channel")
        if self.gateway == "modbus" and not (self.map and self.address):
            raise ValueError("a Modbus device needs a map and an address")
        if self.gateway == "modbus" and 2 * self.cycle_s > self.heartbeat_s:
            raise ValueError("a Modbus device gets heartbeats in its cycles: cycle_s is at most half of heartbeat_s")
        is_url = self.address.startswith(("http://", "https://"))
        if self.gateway == "http" and self.asset_id is not None and not is_url:
            raise ValueError("an HTTP device that is an asset needs an address that begins with http:// or https://")
        return self

    @property
    def beat_s(self) -> float:
        """Time between two heartbeats (s), so one may be lost."""
        return self.heartbeat_s / BEATS_PER_WATCHDOG

    def rules(self, *, is_limit: bool) -> DeviceRules:
        """Return the rules by which the device is judged."""
        names = (
            "nameplate_mw",
            "safe_default_mw",
            "heartbeat_s",
            "answer_s",
            "settle_s",
            "cycle_s",
            "grace_s",
            "tolerance",
            "ramp_mw_per_s",
        )
        return DeviceRules(**{name: getattr(self, name) for name in names}, is_limit=is_limit)


class Inventory(Strict):
    """All devices; ``folder`` is where maps with a relative path lie."""

    devices: tuple[DeviceEntry, ...]
    folder: Path = Path()

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        devices = data.get("devices") if isinstance(data, dict) else None
        if isinstance(devices, dict):
            return {**data, "devices": [{"name": name, **(body or {})} for name, body in devices.items()]}
        return data

    @model_validator(mode="after")
    def _one_device_per_asset(self) -> Inventory:
        assets = [(device.zone, device.asset_id) for device in self.devices if device.asset_id is not None]
        twice = sorted({f"{zone}/{asset_id}" for zone, asset_id in assets if assets.count((zone, asset_id)) > 1})
        if twice:
            raise ValueError(f"an asset has one device: {', '.join(twice)}")
        return self

    def of(self, gateway: GatewayKind) -> tuple[DeviceEntry, ...]:
        """Return the devices of one gateway."""
        return tuple(device for device in self.devices if device.gateway == gateway)


def load_inventory(path: Path) -> Inventory:
    """Read and validate a device list.

    Raises:
        ConfigError: The file is missing or wrong; the message names the place and the nearest valid key.
    """
    try:
        text = text_of(path)
    except OSError as error:
        hint = "give an existing device list with --devices"
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    data = read_yaml(text, str(path), ConfigError)
    try:
        return Inventory.model_validate({**(data if isinstance(data, dict) else {}), "folder": path.parent})
    except ValidationError as error:
        raise ConfigError(
            f"{path}: {describe(error, set(DeviceEntry.model_fields))}", hint="see docs/guide/devices.md"
        ) from error
