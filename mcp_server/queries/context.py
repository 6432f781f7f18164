"""The read context of all queries: store, fleet and clock."""

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
    """The arguments of a query are not valid; the hint names valid ones."""


class UnknownNameError(QuestionError):
    """A query names an object that does not exist."""


@dataclass(frozen=True)
class ReadContext:
    """Store, settings and clock of one run.

    Attributes:
        settings: The settings of this process.
        store: The store, opened for reading.
        now: The wall clock. It is only used for ages, never for times of data.
    """

    settings: Settings
    store: Store
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def fleet(self) -> Fleet:
        """The fleet of the run: the file that `vpp up` fitted to its source, else the file of the settings."""
        return fleet_in_force(self.settings)

    def config(self, zone: str) -> Zone | None:
        """Return the configuration of a zone, None if no file has it."""
        return zone_in_force(self.settings, zone)

    def newest(self, table: Table = TELEMETRY) -> dict[str, datetime]:
        """Return the newest time of each zone in ``table``, by zone."""
        return dict(sorted(self.store.latest(table, columns=("zone", table.time)).values))

    def zones(self) -> list[str]:
        """Return the sorted names of all zones that have data or are in the user's fleet file."""
        return sorted({*self.newest(), *(zone.zone for zone in self.fleet.zones)})

    def choose(self, zone: str | None) -> str | None:
        """Return the zone of a query, None if there are no zones.

        Raises:
            QuestionError: The name is unknown, or it is None and there are several zones.
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
        """Return the slot length in minutes: the distance of the two newest slots, else the fleet file's."""
        length = slot_length(self.store, zone, self._configured_step(zone))
        return max(round(length.total_seconds() / 60), 1)

    def _configured_step(self, zone: str) -> timedelta | None:
        config = self.config(zone)
        return None if config is None else config.step.delta

    def as_of(self, zone: str | None = None) -> datetime | None:
        """Return the end of the newest closed slot of one zone or of all zones, None if there is none."""
        if zone is None:
            newest = self.newest()
            zone = max(newest, key=lambda name: newest[name], default=None)
        return None if zone is None else run_clock(self.store, zone, self._configured_step(zone))

    def time_zone(self, zone: str) -> str:
        """Return the time zone of a zone, UTC if no file has it."""
        config = self.config(zone)
        return "UTC" if config is None else config.time_zone

    def page_link(self, screen: str, zone: str | None, at: datetime | None = None) -> str:
        """Return the URL of a screen of the operator's page; ``at`` selects a past moment."""
        parameters = {"screen": screen, "zone": zone, "at": None if at is None else iso(at)}
        query = urlencode({name: value for name, value in parameters.items() if value})
        page = read_page(self.settings)
        return f"{page_address(self.settings.page) if page is None else page.address}/?{query}"

    def currency(self, zone: str) -> str:
        """Return the currency of a zone, empty if it is unknown."""
        config = self.config(zone)
        return "" if config is None else config.market.currency


@dataclass(frozen=True, slots=True)
class Period:
    """The effective period ``[start, end)`` of an answer, with the assumptions behind it."""

    start: datetime
    end: datetime
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the period as ``start/end``."""
        return f"{iso(self.start)}/{iso(self.end)}"


def period(
    as_of: datetime, start: datetime | None, end: datetime | None, *, default: timedelta = DEFAULT_WINDOW
) -> Period:
    """Return the effective period of a query.

    Args:
        as_of: End of the period if ``end`` is None.
        start: First slot, inclusive; None: a default window before ``end``.
        end: Last slot, exclusive; None: up to the newest slot.
        default: Length of the period if ``start`` is None.

    Raises:
        QuestionError: The start is not before the end.
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
    """Return ``instant`` in UTC; a time without an offset is read as UTC.

    Raises:
        QuestionError: The time is outside the calendar of messages and stores.
    """
    if instant is None:
        return None
    instant = instant.replace(tzinfo=instant.tzinfo or UTC)
    if not EARLIEST <= instant < LATEST:
        raise QuestionError(
            f"{instant.isoformat()} is not between {EARLIEST.year} and {LATEST.year}", hint="check the year"
        )
    return instant.astimezone(UTC)
