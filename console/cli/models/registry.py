"""`vpp models`: shows the versions of a zone's model and activates one."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, pairs, say, table
from topologies.control.model_promotion import tell_workers
from vpp.settings import Settings

app = App(name="models", help="Models of a zone: list, show, promote, roll back.")


@app.command(name="list")
def list_(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List all model versions."""
    from models.registry.registry import Registry

    settings = common.settings()
    registry = Registry(settings.models_dir)
    rows = [short(version, settings) for zone in registry.zones() for version in registry.versions(zone)]
    answer(rows, as_json=json, render=render_versions)


@app.command
def show(model_id: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Show the metadata of one version, including the verdict of its comparison.

    Args:
        model_id: Its id.
    """
    from models.registry.registry import Registry

    answer(Registry(common.settings().models_dir).show(model_id), as_json=json, render=_render_version)


@app.command
def promote(model_id: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Activate a version: running workers switch at the next slot, and the next run starts with it.

    Args:
        model_id: Its id.
    """
    from models.registry.registry import Registry

    settings = common.settings()
    _in_force(Registry(settings.models_dir).promote(model_id), settings, as_json=json)


@app.command
def rollback(zone: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Activate the previous version again; running workers switch at the next slot.

    Args:
        zone: The zone.
    """
    from models.registry.registry import Registry

    settings = common.settings()
    _in_force(Registry(settings.models_dir).rollback(zone), settings, as_json=json)


def _in_force(metadata: dict[str, Any], settings: Settings, *, as_json: bool) -> None:
    notified = tell_workers(settings, metadata)
    say("running workers are notified" if notified else "no broker is running; the next run starts with it")
    answer(short(metadata, settings), as_json=as_json, render=pairs)


def short(metadata: Any, settings: Settings) -> dict[str, Any]:
    """Return the line of a version in a list."""
    from models.registry.registry import Registry

    force = Registry(settings.models_dir).in_force(metadata["zone"])
    return {
        "zone": metadata["zone"],
        "model_id": metadata["model_id"],
        "in_force": force is not None and force["model_id"] == metadata["model_id"],
        "since": metadata["since"],
        "until": metadata["until"],
        "rows": metadata["rows"],
        "cause": metadata.get("cause", ""),
        "parts": ", ".join(metadata["parts"]),
    }


def render_versions(rows: list[dict[str, Any]]) -> None:
    """Print versions for people."""
    if rows:
        names = [name for name in rows[0] if name != "verdict"]
        table(None, names, [[row[name] for name in names] for row in rows])
    else:
        out.print("no models yet; train one: vpp train --data FILE")


def _render_version(metadata: dict[str, Any]) -> None:
    plain = {name: value for name, value in metadata.items() if not isinstance(value, dict)}
    verdict = metadata.get("verdict")
    if verdict is not None:
        plain["verdict"] = f"{'promoted' if verdict['promote'] else 'not promoted'}: {verdict['reason']}"
    pairs({**plain, "parts": ", ".join(metadata["parts"])})
    card = metadata.get("xgboost")
    if card is not None:
        from models.registry.tree_card import say_trees

        out.print(say_trees(card))
        if any(row["weight"] for row in card["horizons"]):
            rows = [[row["horizon_min"], row["weight"], f"{row['gain']:.2%}"] for row in card["horizons"]]
            table("XGBoost in net load", ("horizon_min", "weight", "error saved"), rows)
    errors = (metadata.get("metrics") or {}).get("net_load") or []
    if errors:
        table("Net load, linear stages, last 90 days before the end (forward)", errors[0], [e.values() for e in errors])
