"""The screens of the page by name, and the query of each for a zone and a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.dashboard.views import agent, assets, forecasts, health, money, now, orders, plan, zones
from console.dashboard.views.background import Background
from console.dashboard.views.frame import empty_frame, frame
from console.dashboard.views.health import Rates
from console.dashboard.views.moment import Moment
from console.dashboard.views.orders import OrderBook
from mcp_server.actions.actions import Acts
from mcp_server.queries.context import ReadContext

View = dict[str, Any]


@dataclass(frozen=True)
class Screens:
    """What the page shows.

    Attributes:
        context: Store, fleet and clock of the run.
        acts: Reads the plan book, and acts where a person may.
        background: Computes what takes seconds.
    """

    context: ReadContext
    acts: Acts
    background: Background
    rates: Rates = field(default_factory=Rates)

    def show(self, name: str, zone: str | None, at: datetime | None = None) -> View:
        """Return one screen with its frame.

        Args:
            name: One of ``SCREENS``.
            zone: The zone; None: the first.
            at: Past moment to show; None: now.

        Raises:
            QuestionError: The zone is unknown.
        """
        chosen = self.context.choose(zone) if zone is not None else next(iter(self.context.zones()), None)
        if chosen is None:
            return {"frame": empty_frame(self.context), "body": {}}
        moment = Moment(self.context, chosen, at)
        book = OrderBook(moment, self.acts)
        return {"frame": frame(moment, book), "body": SCREENS[name](self, moment, book)}


SCREENS: dict[str, Callable[[Screens, Moment, OrderBook], View]] = {
    "now": lambda screens, moment, book: now.now(moment, book, screens.background),
    "plan": lambda _, moment, __: plan.plan(moment),
    "assets": lambda _, moment, __: assets.assets(moment),
    "orders": lambda _, __, book: orders.orders(book),
    "money": lambda screens, moment, _: money.money_screen(moment, screens.background),
    "forecasts": lambda _, moment, __: forecasts.forecasts(moment),
    "health": lambda screens, moment, _: health.health(moment, screens.background, screens.rates),
    "agent": lambda _, moment, __: agent.agent(moment),
    "zones": lambda screens, moment, _: zones.zones(screens.context, screens.background, moment.at),
}
