"""AEMO (Australian National Electricity Market): price and demand of each five minutes, by region.

Live values come from the dispatch files of https://nemweb.com.au/Reports/Current/DispatchIS_Reports/, the history from
the monthly files of https://aemo.com.au/aemo/data/nem/priceanddemand/. Market time is UTC+10 all year and stamps name
the end of the interval. A dispatch file is published at the interval's start, which is when its price is known; a value
that differs later is a revision, known from its receipt.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

from vpp.domain import LOAD, PRICE
from vpp.feeds.contract import AnswerError, Ask, Dataset, Issue, Published, Service, issues_of
from vpp.settings import FeedSettings

STEP_MIN = 5
STEP = timedelta(minutes=STEP_MIN)
MARKET_TIME = timezone(timedelta(hours=10))
NEMWEB, MONTHLY = "aemo_nemweb", "aemo"
MAX_TEXT_BYTES = 64_000_000
"""A dispatch file has about 1 MB: a small archive may hold a text that fills the memory."""
REGIONS = ("NSW1", "QLD1", "SA1", "TAS1", "VIC1")

_FILE = re.compile(rb'(?i)href="?([^">]*/)?(PUBLIC_DISPATCHIS_(\d{12})_\d+\.zip)')
_COLUMNS = {"DISPATCH.PRICE": ("RRP", PRICE), "DISPATCH.REGIONSUM": ("TOTALDEMAND", LOAD)}


def read_listing(body: bytes, *, after: datetime) -> list[Ask]:
    """Return the requests for the dispatch files whose interval starts after a time, oldest first.

    Raises:
        AnswerError: The page lists no dispatch file.
    """
    files = dict(sorted((match[3].decode(), match[2].decode()) for match in _FILE.finditer(body)))
    if not files:
        raise AnswerError("the folder lists no PUBLIC_DISPATCHIS file", fault="shape")
    asks = []
    for stamp, name in files.items():
        try:
            published = datetime.strptime(stamp, "%Y%m%d%H%M").replace(tzinfo=MARKET_TIME).astimezone(UTC) - STEP
        except (ValueError, OverflowError) as error:
            raise AnswerError(f"the folder lists {name}, which has no time", fault="shape") from error
        if published > after:
            asks.append(Ask(host=NEMWEB, path=f"/Reports/Current/DispatchIS_Reports/{name}", until=published))
    return asks


def read_dispatch(body: bytes, *, ask: Ask, received: datetime, region: str) -> list[Issue]:
    """Return price (AUD per MWh) and demand (MW) of one region from a zipped dispatch file.

    Columns go by the names in the file, since their number changes. The price is that of the run without intervention,
    the demand that of the last one.

    Args:
        body: The body of the answer.
        ask: The request.
        received: Time of the receipt.
        region: The region whose values are read.

    Raises:
        AnswerError: ``incomplete`` for a broken archive or a file without its last line, ``shape`` for other columns.
    """
    rows = _tables(_unzipped(body))
    published: Published = {}
    order: dict[tuple[str, datetime], int] = {}
    for row in rows:
        column, channel = _COLUMNS[row["TABLE"]]
        try:
            is_region, intervention = row["REGIONID"] == region, int(row["INTERVENTION"])
            slot, value = _start(row["SETTLEMENTDATE"]), float(row[column])
        except (KeyError, ValueError) as error:
            raise AnswerError(f"the dispatch file has other columns: {error}", fault="shape") from error
        rank = -intervention if channel == PRICE else intervention
        if is_region and rank >= order.get((channel, slot), rank):
            order[channel, slot] = rank
            published.setdefault((channel, slot), {})[slot] = value
    if not published:
        raise AnswerError(f"the dispatch file has nothing of {region}", fault="empty")
    return issues_of(published, STEP_MIN, first_sight=True)


def read_month(body: bytes, *, ask: Ask, received: datetime, region: str) -> list[Issue]:
    """Return price and demand of one region from a file of price and demand, known from each interval's start.

    Months before October 2021 have half hours and are refused.

    Args:
        body: The body of the answer.
        ask: The request.
        received: Time of the receipt.
        region: The region whose values are read.

    Raises:
        AnswerError: The file is broken, or has other columns or intervals.
    """
    if not body.endswith(b"\n"):
        raise AnswerError("the monthly file is cut off", fault="incomplete")
    published: Published = {}
    for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"))):
        try:
            slot = _start(row["SETTLEMENTDATE"])
            values = {PRICE: float(row["RRP"]), LOAD: float(row["TOTALDEMAND"])}
            is_region = row["REGION"] == region
        except (KeyError, ValueError, TypeError) as error:
            raise AnswerError(f"the monthly file has other columns: {error}", fault="shape") from error
        for channel, value in values.items() if is_region else ():
            published.setdefault((channel, slot), {})[slot] = value
    slots = sorted({slot for _, slot in published})
    if not slots:
        raise AnswerError(f"the monthly file has nothing of {region}", fault="empty")
    if len(slots) > 1 and slots[1] - slots[0] != STEP:
        raise AnswerError(f"the monthly file has steps of {slots[1] - slots[0]}", fault="shape")
    return issues_of(published, STEP_MIN, first_sight=True)


def _unzipped(body: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive, archive.open(archive.namelist()[0]) as member:
            text = member.read(MAX_TEXT_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, IndexError, EOFError, NotImplementedError, RuntimeError) as error:
        raise AnswerError(f"the dispatch file is no whole archive: {error}", fault="incomplete") from error
    if len(text) > MAX_TEXT_BYTES:
        raise AnswerError(f"the dispatch file holds more than {MAX_TEXT_BYTES / 1e6:g} MB", fault="shape")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AnswerError(f"the dispatch file is no text: {error}", fault="incomplete") from error


def _tables(text: str) -> Iterator[dict[str, str]]:
    """Yield the rows of the tables that are read; the last line states the number of lines."""
    lines = list(csv.reader(io.StringIO(text)))
    last = lines[-1] if lines else []
    if last != ["C", "END OF REPORT", str(len(lines))]:
        raise AnswerError("the dispatch file is cut off: its last line is missing", fault="incomplete")
    names: dict[str, list[str]] = {}
    for line in lines:
        table = ".".join(line[1:3])
        if table in _COLUMNS and line[0] == "I":
            names[table] = line[4:]
        elif table in _COLUMNS and line[0] == "D":
            if len(line) - 4 != len(names.get(table, ())):
                raise AnswerError(f"{table} has rows that do not fit its header", fault="shape")
            yield {"TABLE": table, **dict(zip(names[table], line[4:], strict=True))}


def _start(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y/%m/%d %H:%M:%S").replace(tzinfo=MARKET_TIME).astimezone(UTC) - STEP


def _listing_asks(start: datetime, end: datetime) -> Iterator[Ask]:
    yield Ask(host=NEMWEB, path="/Reports/Current/DispatchIS_Reports/", until=end)


def _month_asks(start: datetime, end: datetime, region: str) -> Iterator[Ask]:
    first = start.astimezone(MARKET_TIME).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while first < end:
        after = (first + timedelta(days=32)).replace(day=1)
        path = f"/aemo/data/nem/priceanddemand/PRICE_AND_DEMAND_{first:%Y%m}_{region}.csv"
        yield Ask(host=MONTHLY, path=path, until=min(after.astimezone(UTC), end))
        first = after


def _datasets(region: str, _settings: FeedSettings) -> tuple[Dataset, ...]:
    return (
        Dataset(
            name="price-and-demand",
            channels=(LOAD, PRICE),
            asks=partial(_month_asks, region=region),
            read=partial(read_month, region=region),
            every=timedelta(hours=6),
            look_back=timedelta(days=2),
            page="https://aemo.com.au/energy-systems/electricity/national-electricity-market-nem/data-nem/aggregated-data",
        ),
        Dataset(
            name="dispatch",
            channels=(LOAD, PRICE),
            asks=_listing_asks,
            follow=read_listing,
            read=partial(read_dispatch, region=region),
            every=timedelta(seconds=15),
            look_back=timedelta(0),
            page="https://nemweb.com.au/Reports/Current/DispatchIS_Reports/",
        ),
    )


SERVICE = Service(
    name="aemo",
    title="AEMO, National Electricity Market of Australia",
    zones=REGIONS,
    datasets=_datasets,
    step_min=STEP_MIN,
    closing=(LOAD,),
    delay=timedelta(seconds=90),
    terms="free use with attribution: Source: AEMO, dispatch, and aggregated price and demand data",
    requests_per_s=2.0,
)
