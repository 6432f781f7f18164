"""Processes of `vpp up --devices`: the gateways of a device list, and the device simulator."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from agents.assets.registry import store_of, type_of
from agents.devices.inventory import Inventory, load_inventory
from console.local.broker import free_port
from topologies.runtime.resumption import read_resumptions
from topologies.sources.options import SourceOptions
from vpp.atomic_file import write_atomic
from vpp.errors import ConfigError, nearest_hint
from vpp.fleet.schema import Fleet, load_fleet
from vpp.settings import Settings

SIMULATED = "simulated"
_GATEWAYS = ("modbus", "mqtt", "http")
_QUICK = {"cycle_s": 0.25, "settle_s": 1.5, "heartbeat_s": 10.0, "grace_s": 5.0}
"""Times of simulated devices: slots of a paced run last seconds."""


@dataclass(frozen=True)
class Beside:
    """Settings with the device list, and the processes as (name, module, arguments...)."""

    settings: Settings
    processes: tuple[tuple[str, ...], ...] = ()


def devices_beside(settings: Settings, devices: str, say: Callable[[str], None]) -> Beside:
    """Return the gateways of a device list; ``simulated`` makes the list from the fleet, and simulates its devices.

    Args:
        settings: The settings, with the fleet of the run.
        devices: Path of a device list, or ``simulated``.
        say: Called with a line about each file.

    Raises:
        ConfigError: The list is wrong or names what the fleet has not, or the fleet has nothing that can be simulated.
    """
    processes: list[tuple[str, ...]] = []
    if devices == SIMULATED:
        settings = simulated_list(settings)
        processes.append(("devices", "topologies.device_simulator"))
    else:
        settings = settings.model_copy(update={"devices": Path(devices).absolute()})
    assert settings.devices is not None
    inventory = load_inventory(settings.devices)
    if settings.fleet is not None:
        check_places(inventory, load_fleet(settings.fleet), say)
    say(f"devices {', '.join(entry.name for entry in inventory.devices)}; list {settings.devices}")
    processes += [
        (f"gateway-{kind}", "topologies.gateway", kind, "--run-clock")
        for kind in _GATEWAYS
        if any(entry.gateway == kind for entry in inventory.devices)
    ]
    return Beside(settings, tuple(processes))


def pace_warning(devices: str | None, options: SourceOptions) -> str | None:
    """Return a warning if listed devices would follow slots that pass faster than real time.

    Args:
        devices: As in ``devices_beside``; None: there is none.
        options: Of the run's source.
    """
    in_real_time = options.catch_up or options.kind == "feed" or (options.speed is not None and options.speed <= 1.0)
    if devices is None or devices == SIMULATED or in_real_time:
        return None
    return (
        "warning: slots pass faster than real time, and the listed devices get a setpoint for each of them; "
        "use --live with real devices"
    )


def check_list(devices: str | None, settings: Settings) -> None:
    """Check a device list of the user against the fleet of a run.

    Args:
        devices: As in ``devices_beside``; None: there is none.
        settings: The settings, with the fleet of the run.

    Raises:
        ConfigError: As ``devices_beside``.
    """
    if devices is not None and devices != SIMULATED:
        devices_beside(settings, devices, lambda _: None)


def check_places(inventory: Inventory, fleet: Fleet, say: Callable[[str], None]) -> None:
    """Check that each device of a zone of the run is an asset of it or measures a channel.

    Args:
        inventory: The device list.
        fleet: The fleet of the run.
        say: Called with a line where devices of the list are in no zone of the run.

    Raises:
        ConfigError: No device is in the run, or one is an asset that its zone has not: no setpoint would reach it.
    """
    assets = {zone.zone: [asset.asset_id for asset in zone.assets] for zone in fleet.zones}
    outside = [entry for entry in inventory.devices if entry.zone not in assets]
    if outside == list(inventory.devices):
        raise ConfigError(
            "no device of the list is in a zone of the run", hint=f"zones of the run: {', '.join(assets)}"
        )
    if outside:
        say(f"in no zone of this run, so not commanded: {', '.join(entry.name for entry in outside)}")
    for entry in inventory.devices:
        asset_ids = assets.get(entry.zone)
        if entry.asset_id is not None and asset_ids is not None and entry.asset_id not in asset_ids:
            hint = nearest_hint(entry.asset_id, asset_ids)
            raise ConfigError(f"device {entry.name}: zone {entry.zone} has no asset {entry.asset_id!r}", hint=hint)


def simulated_list(settings: Settings) -> Settings:
    """Write a list with a device per store and renewable of the fleet; return the settings that name it.

    Stores take turns: SunSpec, MQTT, plain registers, HTTP; renewables are SunSpec inverters. Ports are free ones. In a
    run that continues a store starts with the charge that the plant continues with.

    Raises:
        ConfigError: The fleet has no such asset.
    """
    devices: dict[str, dict[str, Any]] = {}
    zones = () if settings.fleet is None else load_fleet(settings.fleet).zones
    charges = {zone: resumption.charges() for zone, resumption in read_resumptions(settings).items()}
    turns: tuple[Callable[[], dict[str, Any]], ...] = (
        partial(_by_modbus, "sunspec_battery"),
        _by_mqtt,
        partial(_by_modbus, "plain_battery"),
        _by_http,
    )
    reached = cycle(turns)
    for zone, asset in ((site, asset) for site in zones for asset in site.assets):
        asset_type, store = type_of(asset), store_of(asset)
        entry: dict[str, Any] = {"zone": zone.zone, "asset_id": asset.asset_id}
        if store is not None:
            entry["nameplate_mw"] = max(store.charge_mw, store.discharge_mw)
            soc = charges.get(zone.zone, {}).get(asset.asset_id)
            started = asset if soc is None else asset_type.resumed(asset, soc)
            entry |= {"energy_mwh": store.energy_mwh, "soc_start": asset_type.at_rest(started).soc}
            devices[asset.asset_id] = {**entry, **_QUICK, **next(reached)()}
        elif asset_type.curtail_cost_per_mwh(asset) is not None and asset_type.shedding(asset) is None:
            entry["nameplate_mw"] = zone.share.served_mw
            devices[asset.asset_id] = {**entry, **_QUICK, **_by_modbus("sunspec_pv")}
    if not devices:
        raise ConfigError("the fleet has no store and no renewable to simulate", hint="give a device list")
    path = settings.data_dir / "devices-simulated.yaml"
    write_atomic(path, yaml.safe_dump({"devices": devices}, sort_keys=False))
    mqtt = settings.mqtt.model_copy(update={"address": f"127.0.0.1:{free_port()}"})
    token = settings.webhook.token or SecretStr(secrets.token_urlsafe())
    webhook = settings.webhook.model_copy(update={"host": "127.0.0.1", "port": free_port(), "token": token})
    return settings.model_copy(update={"devices": path, "mqtt": mqtt, "webhook": webhook})


def _by_modbus(map_name: str) -> dict[str, Any]:
    return {"gateway": "modbus", "map": map_name, "address": f"127.0.0.1:{free_port()}"}


def _by_mqtt() -> dict[str, Any]:
    return {"gateway": "mqtt"}


def _by_http() -> dict[str, Any]:
    return {"gateway": "http", "address": f"http://127.0.0.1:{free_port()}/setpoint"}
