"""ENTSO-E Transparency Platform: prices, load, solar and wind of European bidding zones, with a security token.

Shapes after https://transparencyplatform.zendesk.com/hc/en-us/articles/15692855254548 (RESTful API): XML documents with
time series of positions. Curve type A03 leaves out a position that equals the one before; it is filled forward to the
period's end. ``createdDateTime`` is the time of the answer, so values count from their receipt or from the usual time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from xml.etree import ElementTree

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.feeds.contract import AnswerError, Ask, Dataset, Issue, Published, Service, issues_of, known_from, spans, utc
from vpp.fleet.market import day_before
from vpp.settings import FeedSettings

HOST = "entsoe"
_STEP_MIN = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
_AREAS = {
    "DE_LU": ("10Y1001A1001A82H", "Europe/Berlin"),
    "AT": ("10YAT-APG------L", "Europe/Vienna"),
    "FR": ("10YFR-RTE------C", "Europe/Paris"),
    "NL": ("10YNL----------L", "Europe/Amsterdam"),
    "BE": ("10YBE----------2", "Europe/Brussels"),
    "CH": ("10YCH-SWISSGRIDZ", "Europe/Zurich"),
    "PL": ("10YPL-AREA-----S", "Europe/Warsaw"),
    "CZ": ("10YCZ-CEPS-----N", "Europe/Prague"),
    "ES": ("10YES-REE------0", "Europe/Madrid"),
    "PT": ("10YPT-REN------W", "Europe/Lisbon"),
}
_SOLAR, _ONSHORE, _OFFSHORE = "B16", "B19", "B18"
_DOCUMENTS: dict[str, tuple[str, str, int | None, dict[str, str]]] = {
    "prices": ("A44", "", 13, {"": PRICE}),
    "load": ("A65", "A16", None, {"": LOAD}),
    "generation": ("A75", "A16", None, {_SOLAR: SOLAR, _ONSHORE: WIND, _OFFSHORE: WIND}),
    "load-forecast": ("A65", "A01", 10, {"": "load_forecast_da_mw"}),
    "renewable-forecast": (
        "A69",
        "A01",
        18,
        {_SOLAR: "solar_forecast_da_mw", _ONSHORE: "wind_forecast_da_mw", _OFFSHORE: "wind_forecast_da_mw"},
    ),
}
"""Dataset to document type, process type, local hour of publication on the day before (None: an hour after the slot),
and channel by production type."""


def read_document(
    body: bytes, *, ask: Ask, received: datetime, channels: dict[str, str], hour: int | None, time_zone: str
) -> list[Issue]:
    """Return the series of a document.

    Of two price series of one day (DE-LU, AT) the first auction's counts. Wind is the sum of on- and offshore, and the
    consumption of solar or wind plants (``outBiddingZone``) is left out. Where the resolution changes in a document, as
    prices did on 2025-10-01, the values of longer positions are repeated in the shortest.

    Args:
        body: The body of the answer.
        ask: The request.
        received: Time of the receipt.
        channels: Channel by production type; the empty one stands for documents without types.
        hour: Local hour of publication on the day before; None: an hour after the slot.
        time_zone: Time zone of the zone.

    Raises:
        AnswerError: The document is cut off, is no document, or has an unknown resolution or unit. "No matching data"
            is no error: it gives no issue.
    """
    root = _parsed(body)
    periods: list[tuple[str, str, int, dict[datetime, float | None]]] = []
    for series in _all(root, "TimeSeries"):
        kind = _text(series, "psrType") or ""
        channel = channels.get(kind) or channels.get("")
        second = (_text(series, "classificationSequence_AttributeInstanceComponent.position") or "1") != "1"
        if channel is None or second or _first(series, "outBiddingZone_Domain.mRID") is not None:
            continue
        unit = _text(series, "price_Measure_Unit.name") or _text(series, "quantity_Measure_Unit.name")
        if unit not in ("MWH", "MAW", None):
            raise AnswerError(f"values are in {unit!r}", fault="unit")
        currency = _text(series, "currency_Unit.name")
        if currency not in ("EUR", None):
            raise AnswerError(f"prices are in {currency!r}", fault="unit")
        periods += ((channel, kind, *_points(period)) for period in _all(series, "Period"))
    step_min = min((length_min for _, _, length_min, _ in periods), default=60)
    parts: dict[tuple[str, str], dict[datetime, float | None]] = {}
    for channel, kind, length_min, values in periods:
        of_part = parts.setdefault((channel, kind), {})
        for shift_min in range(0, length_min, step_min):
            of_part |= {slot + timedelta(minutes=shift_min): value for slot, value in values.items()}
    sums: dict[str, dict[datetime, float | None]] = {}
    for (channel, _), values in parts.items():
        total = sums.setdefault(channel, {})
        for slot, value in values.items():
            before = total.get(slot, 0.0)
            total[slot] = None if value is None or before is None else before + value
    published: Published = {}
    for channel, values in sums.items():
        for slot, value in values.items():
            usual = slot + timedelta(hours=1) if hour is None else day_before(slot, hour, time_zone)
            available_at = known_from(slot, step_min=step_min, received=received, usual=usual)
            published.setdefault((channel, available_at), {})[slot] = value
    return issues_of(published, step_min, first_sight=True)


def _parsed(body: bytes) -> ElementTree.Element:
    if not body.lstrip().startswith(b"<"):
        raise AnswerError(f"the answer is no XML: {body[:60]!r}", fault="not_json")
    if b"<!DOCTYPE" in body[:500] or b"<!ENTITY" in body:
        raise AnswerError("the answer is a page and no document", fault="not_json")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise AnswerError(f"the document is cut off or broken: {error}", fault="incomplete") from error
    name = root.tag.rpartition("}")[2]
    if name == "Acknowledgement_MarketDocument":
        if "No matching data" in (_text(root, "text") or ""):
            return root
        raise AnswerError(f"the request is refused: {_text(root, 'text')}", fault="refused")
    if name not in ("Publication_MarketDocument", "GL_MarketDocument"):
        raise AnswerError(f"the answer is a {name}", fault="shape")
    return root


def _points(period: ElementTree.Element) -> tuple[int, dict[datetime, float | None]]:
    """Return the step in minutes and the values of a period, positions that are left out filled forward."""
    resolution, start, end = (_text(period, name) for name in ("resolution", "start", "end"))
    step_min = _STEP_MIN.get(resolution or "")
    if step_min is None or start is None or end is None:
        raise AnswerError(f"a period has the resolution {resolution!r}", fault="shape")
    first, step = utc(datetime.fromisoformat(start)), timedelta(minutes=step_min)
    stated: dict[int, float] = {}
    for point in _all(period, "Point"):
        text = _text(point, "price.amount") or _text(point, "quantity")
        position = _text(point, "position")
        if text is None or position is None:
            raise AnswerError("a point has no position or value", fault="shape")
        stated[int(position)] = float(text)
    values: dict[datetime, float | None] = {}
    last: float | None = None
    for at in range(1, int((utc(datetime.fromisoformat(end)) - first) / step) + 1):
        last = stated.get(at, last)
        values[first + (at - 1) * step] = last
    return step_min, values


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (child for child in element.iter() if child.tag.rpartition("}")[2] == name)


def _first(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next(_all(element, name), None)


def _text(element: ElementTree.Element, name: str) -> str | None:
    child = _first(element, name)
    return None if child is None else child.text


def _asks(start: datetime, end: datetime, area: str, document: str, process: str, ahead: timedelta) -> Iterator[Ask]:
    domains = {
        "A44": ("in_Domain", "out_Domain"),
        "A65": ("outBiddingZone_Domain",),
        "A69": ("in_Domain",),
        "A75": ("in_Domain",),
    }[document]
    for first, until in spans(start, end, timedelta(days=28)):
        last = until + ahead if until == end else until
        params = {"documentType": document, **dict.fromkeys(domains, area)}
        params |= {"processType": process} if process else {}
        params |= {"periodStart": f"{first:%Y%m%d%H}00", "periodEnd": f"{last:%Y%m%d%H}00"}
        yield Ask(host=HOST, path="", params=params, until=until)


def _datasets(zone: str, _settings: FeedSettings) -> tuple[Dataset, ...]:
    area, time_zone = _AREAS[zone]
    return tuple(
        Dataset(
            name=name,
            channels=tuple(dict.fromkeys(channels.values())),
            asks=partial(
                _asks,
                area=area,
                document=document,
                process=process,
                ahead=timedelta(days=0 if hour is None else 2),
            ),
            read=partial(read_document, channels=channels, hour=hour, time_zone=time_zone),
            every=timedelta(minutes=10),
            look_back=timedelta(hours=12),
            page="https://transparencyplatform.zendesk.com/hc/en-us/articles/15692855254548",
        )
        for name, (document, process, hour, channels) in _DOCUMENTS.items()
    )


SERVICE = Service(
    name="entsoe",
    title="ENTSO-E Transparency Platform",
    zones=tuple(_AREAS),
    datasets=_datasets,
    step_min=60,
    closing=(LOAD, SOLAR, WIND),
    delay=timedelta(minutes=75),
    terms="CC BY 4.0 but for prices, which may be the exchanges': Source: ENTSO-E Transparency Platform",
    key_param="securityToken",
    key_needed=True,
    requests_per_s=1.0,
)
