"""Octopus Energy (Great Britain): half-hourly unit rates of a tariff such as Agile, known about 16:00 the day before.

Shapes after https://developer.octopus.energy/rest/guides/endpoints. Rates come in pence per kWh including VAT, the
newest first and in pages; a rate without an end holds on. Only prices: it is a second service beside measured values.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import msgspec

from vpp.domain import PRICE, Step
from vpp.feeds.contract import (
    AnswerError,
    Ask,
    Dataset,
    Issue,
    Published,
    Service,
    converted,
    issues_of,
    known_from,
    read_json,
    spans,
    stamp,
    utc,
)
from vpp.local_time import local_date, utc_of
from vpp.settings import FeedSettings

HOST = "octopus"
STEP = Step(30)
PUBLISHED_HOUR = 16
TIME_ZONE = "Europe/London"
PENCE_PER_KWH = 10.0
"""GBP per MWh in one penny per kWh."""


class _Rate(msgspec.Struct):
    value_inc_vat: float
    valid_from: datetime
    valid_to: datetime | None


class _Rates(msgspec.Struct):
    results: list[_Rate]
    next: str | None = None


def read_rates(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return unit rates as prices (GBP per MWh, VAT included) by half hour.

    A rate without an end is valid up to the end of the requested range.

    Raises:
        AnswerError: The answer is broken, or holds more rates than one page.
    """
    answer: _Rates = converted(read_json(body), _Rates)
    if answer.next is not None:
        raise AnswerError("the answer has another page: the range is too long for one", fault="shape")
    published: Published = {}
    last = datetime.fromisoformat(ask.params["period_to"])
    for rate in answer.results:
        end = last if rate.valid_to is None else min(utc(rate.valid_to), last)
        slot = max(STEP.floor(utc(rate.valid_from)), datetime.fromisoformat(ask.params["period_from"]))
        while slot < end:
            usual = utc_of(local_date(slot, TIME_ZONE) - timedelta(days=1), PUBLISHED_HOUR, TIME_ZONE)
            available_at = known_from(slot, step_min=STEP.minutes, received=received, usual=usual)
            published.setdefault((PRICE, available_at), {})[slot] = round(rate.value_inc_vat * PENCE_PER_KWH, 6)
            slot += STEP.delta
    return issues_of(published, STEP.minutes, first_sight=True)


def _asks(start: datetime, end: datetime, product: str, region: str) -> Iterator[Ask]:
    path = f"/products/{product}/electricity-tariffs/E-1R-{product}-{region}/standard-unit-rates/"
    for first, until in spans(STEP.floor(start), end, timedelta(days=20)):
        last = until + timedelta(days=2) if until == end else until
        params = {"period_from": stamp(first), "period_to": stamp(STEP.floor(last)), "page_size": "1500"}
        yield Ask(host=HOST, path=path, params=params, until=until)


def _datasets(_zone: str, settings: FeedSettings) -> tuple[Dataset, ...]:
    return (
        Dataset(
            name="unit-rates",
            channels=(PRICE,),
            asks=partial(_asks, product=settings.octopus_product, region=settings.octopus_region),
            read=read_rates,
            every=timedelta(minutes=15),
            look_back=timedelta(hours=3),
            page="https://developer.octopus.energy/rest/guides/endpoints",
        ),
    )


SERVICE = Service(
    name="octopus",
    title="Octopus Energy, tariffs of Great Britain",
    zones=(),
    datasets=_datasets,
    step_min=STEP.minutes,
    closing=(),
    delay=timedelta(minutes=5),
    terms="Octopus Energy API terms; name Octopus Energy as the source",
    requests_per_s=1.0,
)
