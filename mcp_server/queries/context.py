"""The read context of all questions: store, fleet and clock, with their common rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from topologies.control.run_mode import read_page
from vpp.domain import iso
from vpp.errors import VppError, nearest_hint
from vpp.fleet.in_force import fleet_in_force, zone_in_force
from vpp.fleet.schema import Fleet, Zone
from vpp.messages.times import EARLIEST, LATEST
from vpp.settings import Settings
from vpp.settings.faces import page_address
from vpp.store import Store
from vpp.store.run_clock import run_clock, slot_length
from vpp.store.table import Table
from vpp.store.tables import TELEMETRY

NOTHING_YET = "nothing has run yet: start `vpp up` (or ask an operator to), then ask again"
DEFAULT_WINDOW = timedelta(hours=24)


class QuestionError(VppError):
    """The question cannot be answered as it was asked; the hint says how to ask it."""


class UnknownNameError(QuestionError):
    """The question names what is not there."""


@dataclass(frozen=True)
class ReadContext:
    """The store of one run and what is needed to read it.

    Attributes:
        settings: The settings of this process.
        store: The store, opened for reading.
        now: The wall clock, used for ages alone and never for what is shown as data.
    """

    settings: Settings
    store: Store
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def fleet(self) -> Fleet:
        """The fleet as the run has it: what `vpp up` fitted to its source, else the file of the settings."""
        return fleet_in_force(self.settings)

    def config(self, zone: str) -> Zone | None:
        """Return how a zone is set up, or None where no file says."""
        return zone_in_force(self.settings, zone)

    def newest(self, table: Table = TELEMETRY) -> dict[str, datetime]:
        """Return the newest time of each zone in ``table``, by zone."""
        return dict(sorted(self.store.latest(table, columns=("zone", table.time)).values))

    def zones(self) -> list[str]:
        """Return the zones that have data or stand in the user's fleet file, sorted."""
        return sorted({*self.newest(), *(zone.zone for zone in self.fleet.zones)})

    def choose(self, zone: str | None) -> str | None:
        """Return the zone of a question, or None where there is no zone at all.

        Raises:
            QuestionError: The name is unknown, or none was given and there are several.
        """
        zones = self.zones()
        if zone is None:
            if len(zones) > 1:
                raise QuestionError("which zone?", hint="give zone, one of " + ", ".join(zones[:20]))
            return zones[0] if zones else None
        if zone in zones or not zones:
            return zone
        raise UnknownNameError(f"there is no zone {zone!r}", hint=nearest_hint(zone, zones))

    def step_min(self, zone: str) -> int:
        """Return the slot length in minutes: the distance of the two newest slots, else what the fleet file says."""
        length = slot_length(self.store, zone, self._configured_step(zone))
        return max(round(length.total_seconds() / 60), 1)

    def _configured_step(self, zone: str) -> timedelta | None:
        config = self.config(zone)
        return None if config is None else config.step.delta

    def as_of(self, zone: str | None = None) -> datetime | None:
        """Return the end of the newest closed slot, of one zone or of all; None where there is none."""
        if zone is None:
            newest = self.newest()
            zone = max(newest, key=lambda name: newest[name], default=None)
        return None if zone is None else run_clock(self.store, zone, self._configured_step(zone))

    def time_zone(self, zone: str) -> str:
        """Return the local time of a zone, UTC where no file says."""
        config = self.config(zone)
        return "UTC" if config is None else config.time_zone

    def page_link(self, screen: str, zone: str | None, at: datetime | None = None) -> str:
        """Return the address of a screen of the operator's page, at a past moment where one is given."""
        parameters = {"screen": screen, "zone": zone, "at": None if at is None else iso(at)}
        query = urlencode({name: value for name, value in parameters.items() if value})
        page = read_page(self.settings)
        return f"{page_address(self.settings.page) if page is None else page.address}/?{query}"

    def currency(self, zone: str) -> str:
        """Return the currency of a zone's money, empty where it is unknown."""
        config = self.config(zone)
        return "" if config is None else config.market.currency


@dataclass(frozen=True, slots=True)
class Period:
    """The effective period ``[start, end)`` of an answer, and what was assumed to get there."""

    start: datetime
    end: datetime
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return it as ``start/end``."""
        return f"{iso(self.start)}/{iso(self.end)}"


def period(
    as_of: datetime, start: datetime | None, end: datetime | None, *, default: timedelta = DEFAULT_WINDOW
) -> Period:
    """Return the period of a question; ``as_of`` ends it where no end is given.

    Args:
        as_of: End of the period where the question names none.
        start: First slot, inclusive; None: a default window before ``end``.
        end: Last slot, exclusive; None: up to the newest slot.
        default: Length of the period where the question names none.

    Raises:
        QuestionError: It ends before it starts.
    """
    notes = []
    for name, text in (("start", start), ("end", end)):
        if text is not None and text.tzinfo is None:
            notes.append(f"{name} had no time zone and was read as UTC")
    start, end = utc(start), utc(end)
    if end is None:
        end = as_of if start is None or start < as_of else start + default
    if start is None:
        start = end - default
        notes.append(f"no start was given: the last {default.total_seconds() / 3600:g} h")
    if start >= end:
        raise QuestionError(f"{iso(start)} is not before {iso(end)}", hint="end is exclusive; give start < end, in UTC")
    return Period(start, end, tuple(notes))


def utc(instant: datetime | None) -> datetime | None:
    """Return ``instant`` in UTC; a time without an offset is taken as UTC.

    Raises:
        QuestionError: It is outside the calendar that messages and stores hold.
    """
    if instant is None:
        return None
    instant = instant.replace(tzinfo=instant.tzinfo or UTC)
    if not EARLIEST <= instant < LATEST:
        raise QuestionError(
            f"{instant.isoformat()} is not between {EARLIEST.year} and {LATEST.year}", hint="check the year"
        )
    return instant.astimezone(UTC)
