"""`vpp shadow`: other settings or policies beside the live ones on the same log, compared in money."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import ValidationError

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_time, say, table
from console.cli.progress import progress
from vpp.errors import ConfigError
from vpp.fleet.in_force import zone_in_force
from vpp.fleet.schema import Zone, load_fleet
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import DECISIONS
from vpp.yaml_text import read_yaml

EXAMPLE = "--set service_factor=1, --set limits.ramp_limit_mw=4, --set GB-battery-1.energy_mwh=32"


def shadow(
    zone: str | None = None,
    *,
    changes: Annotated[list[str] | None, Parameter(name="--set", help=f"a setting, e.g. {EXAMPLE}")] = None,
    beside: Annotated[Path | None, Parameter(name="--fleet-file", help="the shadow's zone from a fleet file")] = None,
    policy: Annotated[
        list[Literal["actor", "trader"]] | None,
        Parameter(name="--policy", help="policies whose bids the shadow uses [all]"),
    ] = None,
    clearing: Annotated[
        Literal["standard", "linear"], Parameter(help="linear: without the stochastic programme")
    ] = "standard",
    start: Annotated[str | None, Parameter(name="--from", help="first closed slot, UTC [the run's first]")] = None,
    end: Annotated[str | None, Parameter(name="--to", help="end of closed slots, UTC, exclusive")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Run other settings through the stored bids, orders and actuals, beside the live ones, and compare the money.

    Args:
        zone: The zone, where the store has several.
    """
    from topologies.backtests.shadow import CLEARINGS, compare

    if not (changes or beside or policy or clearing != "standard"):
        raise ConfigError("the shadow is the live plant: nothing differs", hint=f"change something, e.g. {EXAMPLE}")
    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        name = zone or _only([span.zone for span in store.spans(DECISIONS)])
        live = _live(settings, name)
        other = _shadow(live, changes or [], beside)
        with progress(name) as report:
            comparison = compare(
                store,
                live,
                other,
                policies=policy,
                clearing=CLEARINGS[clearing],
                tell=lambda share: report(share, "replayed"),
                start=None if start is None else parse_time(start),
                end=None if end is None else parse_time(end),
            )
    document = {
        "zone": name,
        "currency": live.market.currency,
        "changed": _changed(live, other, policy),
        "clearing": clearing,
        "exact": comparison.exact,
        "setpoints": comparison.stored,
        "setpoints_reproduced": comparison.reproduced,
        "live": comparison.live.total,
        "shadow": comparison.shadow.total,
        "gain": comparison.gain,
        "days": comparison.days,
        "days_better": comparison.days_better,
        "gain_per_day": comparison.gain_per_day,
        "gain_standard_error": comparison.gain_se,
        "by_asset": {
            asset_id: {"live": dict(comparison.live.money[asset_id]), "shadow": dict(comparison.shadow.money[asset_id])}
            for asset_id in sorted(comparison.live.money.keys() | comparison.shadow.money.keys())
        },
    }
    answer(document, as_json=json, render=_render)


def _only(zones: list[str]) -> str:
    if len(zones) == 1:
        return zones[0]
    raise ConfigError("which zone?", hint="name one: " + ", ".join(zones) if zones else "start a plant first: vpp up")


def _live(settings: Settings, name: str) -> Zone:
    zone = zone_in_force(settings, name)
    if zone is None:
        raise ConfigError(f"no fleet file describes zone {name!r}", hint="give it with --fleet")
    return zone


def _shadow(live: Zone, changes: list[str], beside: Path | None) -> Zone:
    from topologies.backtests.shadow import with_settings

    base = live
    if beside is not None:
        zone = load_fleet(beside).get(live.zone)
        if zone is None or zone.step_min != live.step_min:
            raise ConfigError(
                f"{beside} has no zone {live.zone} of {live.step_min} min", hint="see docs/guide/fleet.md"
            )
        base = zone
    arguments: dict[str, Any] = {}
    for change in changes:
        key, sign, text = change.partition("=")
        if not sign:
            raise ConfigError(f"{change!r} is not a setting", hint=f"write KEY=VALUE, e.g. {EXAMPLE}")
        arguments[key.strip()] = read_yaml(text, key.strip())
    try:
        return with_settings(base, arguments)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"the fleet file has no {error}", hint=f"see docs/guide/fleet.md; e.g. {EXAMPLE}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{place}: {first['msg']}", hint="see docs/guide/fleet.md") from error


def _changed(live: Zone, other: Zone, policy: list[Any] | None) -> dict[str, Any]:
    """Return the differences, by section of the fleet file."""
    mine, other_value = live.model_dump(mode="json"), other.model_dump(mode="json")
    changes: dict[str, Any] = {name: other_value[name] for name in other_value if other_value[name] != mine.get(name)}
    return changes | ({"policies": policy} if policy else {})


def _render(document: dict[str, Any]) -> None:
    unit = document["currency"]
    live, other = document["live"], document["shadow"]
    rows = [[name, round(live[name], 2), round(other[name], 2), round(other[name] - live[name], 2)] for name in live]
    table(f"{document['zone']}, {unit}", ("", "live", "shadow", "difference"), rows)
    error = document["gain_standard_error"]
    spread = "" if error is None else f" ± {error:,.2f} (standard error over days)"
    out.print(
        f"{document['gain_per_day']:+,.2f} {unit} a day{spread}, better on {document['days_better']} of "
        f"{document['days']} days"
    )
    reproduced = f"{document['setpoints_reproduced']:,} of {document['setpoints']:,} stored setpoints"
    say(
        f"the live settings make {reproduced} again: the comparison is exact"
        if document["exact"]
        else f"the live settings make only {reproduced} again (a start inside the run, or another program): an estimate"
    )
