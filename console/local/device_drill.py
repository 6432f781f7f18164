"""A drill on this machine: broker, gateways and simulated devices as real processes, with planned faults.

Setpoints come from the drill, one per device and slot; what became of them is read from the command ledger.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import msgspec
import yaml
from msgspec.structs import replace
from pydantic import SecretStr

from agents.devices.inventory import load_inventory
from agents.devices.simulation import DeviceFault
from console.local.broker import EmbeddedBroker, free_port
from console.local.cut_line import CutLine
from console.local.drill_plan import CABLE, NAMES, SLOW_BY_S, SLOW_CLOCK, DrillAct, DrillDevice, acts_of, share_of
from console.local.drill_proof import DrillProof, GatewayLook, LoggedCommand, SlowClock, Trouble, proof_of
from console.local.processes import Processes, python_command
from topologies.control.topic_tail import tail
from topologies.gateways.simulation.simulator import FaultChange, SimulatorFiles
from topologies.sources.outbox import KafkaOutbox
from vpp.errors import ConfigError, UnreachableError
from vpp.messages import AlertCode, CommandOutcome, DeviceCommand, Observation, Setpoint
from vpp.settings import KafkaSettings, Settings
from vpp.streams.kafka import create_topics
from vpp.streams.topics import ALERTS, COMMANDS, RAW, SETPOINTS

ZONE = "SITE"
RATED_MW = 5.0
DEVICES = (
    DrillDevice("registers", "modbus"),
    DrillDevice("sunspec", "modbus"),
    DrillDevice("mqtt", "mqtt"),
    DrillDevice("http", "http"),
    DrillDevice("inverter", "modbus", is_inverter=True),
)
_MAPS = {"registers": "plain_battery", "sunspec": "sunspec_battery", "inverter": "sunspec_pv"}
_TIMES = {"cycle_s": 0.5, "answer_s": 1.0, "settle_s": 1.4, "heartbeat_s": 10.0, "grace_s": 2.0, "tolerance": 0.01}
_ADDRESSES = {"modbus": "127.0.0.1:{}", "http": "http://127.0.0.1:{}/setpoint"}
_GATEWAY = "topologies.gateway"
READY_WITHIN_S = 240.0
STOP_WITHIN_S = 120.0
LEAD_S = 0.3
"""A setpoint comes so long before its slot."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """A run: its number of slots, their length, the seed of the plan, and what a write may take to the log."""

    slots: int = 8
    slot_s: float = 6.0
    seed: int = 1
    slack_s: float = 1.0


class DeviceDrill:
    """One drill in a folder of its own.

    Args:
        folder: Data, logs and journals.
        options: What to run.
        settings: The settings beside broker, data directory, run and device list, which are the drill's own.
        say: Called with a line about each step.
    """

    def __init__(self, folder: Path, options: DrillOptions, settings: Settings, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._settings = settings
        self._options = options
        self._say = say
        self._cables: dict[str, list[CutLine]] = {}
        self._token = SecretStr(token_urlsafe())
        self._troubles: list[Trouble] = []
        self._slowed: list[tuple[str, datetime]] = []

    async def run(self) -> DrillProof:
        """Run it and return the proof.

        Raises:
            ConfigError: The folder is not empty.
            UnreachableError: A process does not start or a gateway does not end in order.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if any(self._folder.iterdir()):
            raise ConfigError(f"{self._folder} is not empty", hint="a drill starts without old journals: take another")
        with EmbeddedBroker(self._folder / "broker.log") as broker:
            kafka = KafkaSettings(bootstrap_servers=broker.address, embedded=True, replication_factor=1)
            drill_settings = {"data_dir": self._folder / "data", "kafka": kafka, "run": "drill"}
            base = self._settings.model_copy(update=drill_settings)
            base.data_dir.mkdir(exist_ok=True)
            self._files = SimulatorFiles.of(base)
            create_topics(base)
            at_gateway, at_device = self._lists(base)
            simulator, gateways = (Processes(settings, self._folder / "logs") for settings in (at_device, at_gateway))
            try:
                for line in self._lines:
                    await line.start()
                simulator.add("devices", "topologies.device_simulator")
                for kind in sorted({device.gateway for device in DEVICES}):
                    gateways.add(f"gateway-{kind}", _GATEWAY, kind)
                await self._ready(base, (simulator, gateways))
                await self._slots(base, gateways)
                await asyncio.to_thread(gateways.stop, timeout_s=STOP_WITHIN_S)
                self._check_ends(gateways)
                return self._proof(at_gateway)
            finally:
                await asyncio.to_thread(gateways.stop)
                await asyncio.to_thread(simulator.stop)
                for line in self._lines:
                    await line.stop()

    def _lists(self, base: Settings) -> tuple[Settings, Settings]:
        """Write the two device lists; a line lies between the gateway's address of a device and the device's own."""
        near: dict[str, dict[str, Any]] = {}
        far: dict[str, dict[str, Any]] = {}
        brokers = self._line("mqtt")
        posting, listening = self._line("http")
        for device in DEVICES:
            entry = {"zone": ZONE, "asset_id": device.name, "nameplate_mw": RATED_MW, "energy_mwh": 1000.0, **_TIMES}
            entry |= {"gateway": device.gateway}
            if device.gateway == "mqtt":
                near[device.name] = far[device.name] = entry
                continue
            entry |= {"map": _MAPS[device.name]} if device.name in _MAPS else {}
            form = _ADDRESSES[device.gateway]
            ends = self._line(device.name)
            near[device.name], far[device.name] = ({**entry, "address": form.format(end)} for end in ends)
        settings = []
        for name, devices, broker, port in (
            ("gateways", near, brokers[0], listening),
            ("simulator", far, brokers[1], posting),
        ):
            path = self._folder / f"devices-{name}.yaml"
            path.write_text(yaml.safe_dump({"devices": devices}, sort_keys=False), encoding="utf-8")
            mqtt = base.mqtt.model_copy(update={"address": f"127.0.0.1:{broker}"})
            webhook = base.webhook.model_copy(update={"port": port, "token": self._token})
            settings.append(base.model_copy(update={"devices": path, "mqtt": mqtt, "webhook": webhook}))
        return settings[0], settings[1]

    def _line(self, device: str) -> tuple[int, int]:
        """Lay a line that is a part of a device's cable; return its near end and its far end."""
        near, far = free_port(), free_port()
        self._cables.setdefault(device, []).append(CutLine(near, far))
        return near, far

    @property
    def _lines(self) -> list[CutLine]:
        return [line for lines in self._cables.values() for line in lines]

    async def _ready(self, settings: Settings, processes: Iterable[Processes]) -> None:
        """Wait until the gateways have read every device."""
        missing = {device.name for device in DEVICES}
        end = asyncio.get_running_loop().time() + READY_WITHIN_S
        while missing:
            for record in await asyncio.to_thread(lambda: list(tail(settings, RAW, last=40, key=ZONE))):
                readings = record["value"].get("assets", {})
                missing -= {name for name, reading in readings.items() if reading.get("available")}
            for process in processes:
                process.restart_the_dead()
            if asyncio.get_running_loop().time() > end:
                raise UnreachableError(
                    f"no reading of {', '.join(sorted(missing))} within {READY_WITHIN_S:g} s",
                    hint=f"see {self._folder / 'logs'}",
                )
            await asyncio.sleep(0.3)

    async def _slots(self, settings: Settings, gateways: Processes) -> None:
        """Send setpoints slot by slot, and apply the planned faults meanwhile."""
        options = self._options
        outbox = KafkaOutbox(settings, SETPOINTS, "plant")
        begin = datetime.now(UTC) + timedelta(seconds=1.0)
        work: list[tuple[float, int, Callable[[], None]]] = []
        for slot in range(options.slots):
            work.append((slot - LEAD_S / options.slot_s, len(work), partial(self._send, outbox, begin, slot)))
        for act in acts_of(DEVICES, options.slots, options.seed):
            work.append((act.begins, len(work), partial(self._begin, act, begin, gateways)))
            if not act.is_of_a_gateway:
                work.append((act.ends, len(work), partial(self._end, act)))
        for place, _, do in sorted(work):
            due = begin + timedelta(seconds=place * options.slot_s)
            await asyncio.sleep(max((due - datetime.now(UTC)).total_seconds(), 0.0))
            do()
        over = begin + timedelta(seconds=options.slots * options.slot_s - 0.5)
        await asyncio.sleep(max((over - datetime.now(UTC)).total_seconds(), 0.0))

    def _send(self, outbox: KafkaOutbox, begin: datetime, slot: int) -> None:
        length = timedelta(seconds=self._options.slot_s)
        start = begin + slot * length
        for place, device in enumerate(DEVICES):
            power = share_of(slot, place) * RATED_MW
            outbox.send(
                Setpoint(
                    zone=ZONE,
                    slot=start,
                    asset_id=device.name,
                    valid_until=start + length,
                    reason="drill",
                    power_mw=-abs(power) if device.is_inverter else power,
                    decision_id=f"drill-{slot}",
                )
            )
        outbox.flush()

    def _begin(self, act: DrillAct, begin: datetime, gateways: Processes) -> None:
        self._say(f"slot {act.begins:5.2f}  {act.kind} {act.target}")
        if act.is_of_a_gateway:
            self._restart(act, gateways)
            return
        if act.kind == CABLE:
            for line in self._cables[act.target]:
                line.cut()
        else:
            self._files.set_fault(act.target, DeviceFault(act.kind))
        ends = begin + timedelta(seconds=act.ends * self._options.slot_s)
        now = datetime.now(UTC)
        if act.shows_for_s < (ends - now).total_seconds():
            ends = now + timedelta(seconds=act.shows_for_s)
        self._troubles.append(
            Trouble(
                act.target,
                act.kind,
                now,
                ends,
                NAMES[act.kind],
                shows_after_s=act.shows_after_s(float(_TIMES["tolerance"])),
                is_of_a_follower=act.is_of_a_follower,
            )
        )

    def _restart(self, act: DrillAct, gateways: Processes) -> None:
        """Kill a gateway and start it again, as planned with a slow clock."""
        worker = gateways.workers[f"gateway-{act.target}"]
        if worker.process is not None:
            worker.process.kill()
            worker.process.wait()
        is_slow = act.kind == SLOW_CLOCK
        slowly = ("console.local.slow_clock", str(SLOW_BY_S)) if is_slow else ()
        worker.command = python_command(*slowly, _GATEWAY, act.target)
        if is_slow:
            self._slowed.append((act.target, datetime.now(UTC)))
        gateways.restart_the_dead()
        worker.deaths = 0

    def _end(self, act: DrillAct) -> None:
        if act.kind == CABLE:
            for line in self._cables[act.target]:
                line.mend()
        else:
            self._files.set_fault(act.target, None)

    def _check_ends(self, gateways: Processes) -> None:
        for name, worker in gateways.workers.items():
            code = None if worker.process is None else worker.process.returncode
            if code != 0:
                hint = f"see {gateways.log_path(name)}: {gateways.last_words(name)}"
                raise UnreachableError(f"{name} ended with {code} instead of in order", hint=hint)

    def _proof(self, settings: Settings) -> DrillProof:
        assert settings.devices is not None
        inventory = load_inventory(settings.devices)
        rules = {device.name: device.rules(is_limit=device.name == "inverter") for device in inventory.devices}
        records = [
            msgspec.convert(record["value"], DeviceCommand, strict=False)
            for record in tail(settings, COMMANDS, last=1_000_000, key=ZONE)
        ]
        commands = []
        for line in self._files.taken.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            at = datetime.fromtimestamp(entry["at_s"], UTC)
            commands.append(
                LoggedCommand(entry["device"], at, entry["sequence"], entry["power_mw"], entry["stalled_s"])
            )
        ledger = self._folder / "ledger.jsonl"
        ledger.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
        changes = self._files.read_fault_log()
        troubles = [
            trouble if trouble.kind == CABLE else as_the_device_had_it(trouble, changes) for trouble in self._troubles
        ]
        looks = self._looks(settings)
        clocks = self._slow_clocks(settings, looks)
        return proof_of(records, commands, troubles, rules, looks, clocks, slack_s=self._options.slack_s)

    def _slow_clocks(self, settings: Settings, looks: dict[str, list[GatewayLook]]) -> list[SlowClock]:
        """Return the slow clocks of the run, each with whether its gateway named it."""
        clock_records = [
            (record["value"]["alert_id"], record["timestamp"])
            for record in tail(settings, ALERTS, last=1000, key=ZONE)
            if record["value"].get("code") == AlertCode.CLOCK_OFF
        ]
        clocks = []
        for gateway, began in self._slowed:
            devices = tuple(device.name for device in DEVICES if device.gateway == gateway)
            is_named = any(f"-{gateway}-" in alert_id and at >= began for alert_id, at in clock_records)
            unseen = not any(look.at >= began for name in devices for look in looks[name])
            clocks.append(SlowClock(gateway, began, devices, self._options.slot_s, is_named, unseen))
        return clocks

    def _looks(self, settings: Settings) -> dict[str, list[GatewayLook]]:
        """Return the gateways' looks at each device, by the telemetry."""
        looks: dict[str, list[GatewayLook]] = {device.name: [] for device in DEVICES}
        for record in tail(settings, RAW, last=1_000_000, key=ZONE):
            observation = msgspec.convert(record["value"], Observation, strict=False)
            for name, reading in observation.assets.items():
                is_reading = reading.outcome != CommandOutcome.NOT_REACHED
                looks[name].append(GatewayLook(observation.slot, is_reading=is_reading))
        return looks


def as_the_device_had_it(trouble: Trouble, changes: Iterable[FaultChange]) -> Trouble:
    """Return a trouble with the times at which it took effect by the device's own log; without any it lasted no time.

    Args:
        trouble: As the drill gave it.
        changes: The log of all devices, in order.
    """
    device_changes = [
        (datetime.fromtimestamp(change.at_s, UTC), change.faults)
        for change in changes
        if change.device == trouble.device
    ]
    begins = [at for at, faults in device_changes if trouble.began <= at < trouble.ended and trouble.kind in faults]
    began = min(begins, default=trouble.ended)
    ended = min(
        (at for at, faults in device_changes if at > began and trouble.kind not in faults), default=trouble.ended
    )
    return replace(trouble, began=began, ended=min(ended, trouble.ended))
