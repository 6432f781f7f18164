"""Rows as a running forecast step asks for them: real features, and errors that differ from row to row."""

from dataclasses import replace
from datetime import datetime

from models.forecast.reducer import ForecastReducer
from models.served import NetLoadRow
from tests.worlds.forecasts.forecast_world import World
from vpp.messages import SlotClosed
from vpp.streams.reducer import Origin


def made_rows(world: World, count: int) -> list[tuple[datetime, NetLoadRow]]:
    """Return the last ``count`` closed slots of the world and their rows."""
    reducer = ForecastReducer(world.zone, load_model=lambda *_: world.model)
    state, origin = reducer.initial(world.zone.zone), Origin("telemetry", 0, 0)
    live = world.frame.index[-count].to_pydatetime()
    rows: list[tuple[datetime, NetLoadRow]] = []
    for message in (world.promotion, *world.messages(live=live)):
        if not isinstance(message, SlotClosed):
            reducer.step(state, message, origin)
            continue
        alerts = reducer.enter(state, message)
        if alerts is None:
            continue
        row = reducer.row(state, message)
        assert isinstance(row, NetLoadRow)
        assert world.model.net_load is not None
        rows.append((message.slot, replace(row, rows=row.rows.copy(), levels=row.levels.copy())))
        reducer.issue(state, message, alerts, world.model.net_load.forecast(row))
    return rows
