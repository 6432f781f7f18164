"""Answers of AEMO, Energy-Charts, Octopus, Open-Meteo and ENTSO-E in their documented shapes, made up by us."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.worlds.feeds.elexon_world import ElexonWorld
from tests.worlds.feeds.feed_server import Answer, Query

AEST = timezone(timedelta(hours=10))
FIVE = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def wave(slot: datetime, mean: float, swing: float) -> float:
    """Return a day's wave, the same at every call."""
    return round(mean + swing * math.sin(2 * math.pi * slot.timestamp() / 86400), 2)


def nem_load_mw(slot: datetime) -> float:
    return wave(slot, 7000.0, 1500.0)


def nem_price(slot: datetime) -> float:
    return wave(slot, 80.0, 60.0)


def dispatch_file(slot: datetime, cut: int = 0) -> bytes:
    """Return the zipped file of one interval, ``cut`` lines short."""
    end = (slot + FIVE).astimezone(AEST)
    stamp = f'"{end:%Y/%m/%d %H:%M:%S}"'
    lines = [
        f"C,NEMP.WORLD,DISPATCHIS,AEMO,PUBLIC,{end:%Y/%m/%d},{end:%H:%M:%S},0000000536812563,DISPATCHIS",
        "I,DISPATCH,PRICE,5,SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,RRP,EEP,ROP",
        f"D,DISPATCH,PRICE,5,{stamp},1,NSW1,202609090011,0,{nem_price(slot)},0,65.5",
        f"D,DISPATCH,PRICE,5,{stamp},1,NSW1,202609090011,1,999,0,65.5",
        f"D,DISPATCH,PRICE,5,{stamp},1,VIC1,202609090011,0,1.5,0,65.5",
        "I,DISPATCH,REGIONSUM,9,SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,TOTALDEMAND,AVAILABLEGENERATION",
        f"D,DISPATCH,REGIONSUM,9,{stamp},1,NSW1,202609090011,0,1.0,9000",
        f"D,DISPATCH,REGIONSUM,9,{stamp},1,NSW1,202609090011,1,{nem_load_mw(slot)},9000",
        f"D,DISPATCH,REGIONSUM,9,{stamp},1,VIC1,202609090011,0,5000,9000",
    ]
    lines.append(f'C,"END OF REPORT",{len(lines) + 1}')
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("PUBLIC_DISPATCHIS.CSV", "\r\n".join(lines[: len(lines) - cut]) + "\r\n")
    return packed.getvalue()


def aemo(path: str, _query: Query, now: datetime) -> Any:
    """Return AEMO's folder of the last two hours, a dispatch file, or a month of price and demand."""
    newest = datetime.fromtimestamp(now.timestamp() // 300 * 300, UTC)
    if path.endswith("DispatchIS_Reports/"):
        ends = [(newest - n * FIVE + FIVE).astimezone(AEST) for n in range(24)]
        names = [f"PUBLIC_DISPATCHIS_{end:%Y%m%d%H%M}_0000000536{end:%d%H%M}.zip" for end in ends]
        return "".join(
            f'<A HREF="/Reports/Current/DispatchIS_Reports/{name}">{name}</A><br>' for name in names
        ).encode()
    if path.endswith(".zip"):
        end = datetime.strptime(path.split("_")[-2], "%Y%m%d%H%M").replace(tzinfo=AEST)
        return dispatch_file(end.astimezone(UTC) - FIVE)
    if "PRICE_AND_DEMAND_" in path:
        end = datetime.strptime(path.split("_")[-2], "%Y%m").replace(tzinfo=AEST) + FIVE
        lines, month = ["REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE"], end.month
        while (end - FIVE).month == month and end <= now - HOUR:
            slot = end.astimezone(UTC) - FIVE
            lines.append(f"NSW1,{end:%Y/%m/%d %H:%M:%S},{nem_load_mw(slot)},{nem_price(slot)},TRADE")
            end += FIVE
        return ("\n".join(lines) + "\n").encode()
    return None


def energy_charts(path: str, query: Query, now: datetime) -> Any:
    """Return load and generation up to an hour ago by quarter hours, or hourly prices and forecasts up to tomorrow."""
    start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
    if path == "/public_power":
        times = quarters(start, min(end, now - HOUR))
        data = {
            "Wind onshore": 12000.0,
            "Wind offshore": 3000.0,
            "Solar": 5000.0,
            "Fossil gas": 8000.0,
            "Load": 55000.0,
            "Residual load": 35000.0,
        }
        series = [{"name": name, "data": [wave(at, mean, 1000.0) for at in times]} for name, mean in data.items()]
        return {"unix_seconds": [int(at.timestamp()) for at in times], "production_types": series, "deprecated": False}
    hours = quarters(start, min(end, now.replace(hour=22, minute=0, second=0, microsecond=0) + 24 * HOUR))[::4]
    seconds = [int(at.timestamp()) for at in hours]
    if path == "/price":
        prices: list[float | None] = [wave(at, 90.0, 40.0) for at in hours]
        return {
            "license_info": "CC BY 4.0",
            "unix_seconds": seconds,
            "price": prices,
            "unit": "EUR / MWh",
            "deprecated": False,
        }
    if path == "/public_power_forecast":
        means = {"load": 54000.0, "solar": 5100.0, "wind_onshore": 11900.0, "wind_offshore": 3100.0}
        values = [wave(at, means[query["production_type"]], 1000.0) for at in hours]
        return {
            "unix_seconds": seconds,
            "forecast_values": values,
            "production_type": query["production_type"],
            "forecast_type": query["forecast_type"],
            "deprecated": False,
        }
    return None


def quarters(start: datetime, end: datetime) -> list[datetime]:
    first = math.ceil(start.timestamp() / 900)
    return [datetime.fromtimestamp(900 * n, UTC) for n in range(first, math.ceil(end.timestamp() / 900))]


def octopus(path: str, query: Query, now: datetime) -> Any:
    """Return unit rates, the newest first, up to 23:00 of tomorrow."""
    if "/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/" not in path:
        return None
    first = datetime.fromisoformat(query["period_from"])
    last = min(datetime.fromisoformat(query["period_to"]), now.replace(hour=23, minute=0) + 24 * HOUR)
    rates = []
    while first < last:
        pence = wave(first, 20.0, 8.0)
        rates.append(
            {
                "value_exc_vat": round(pence / 1.05, 4),
                "value_inc_vat": pence,
                "valid_from": f"{first:%Y-%m-%dT%H:%M:%SZ}",
                "valid_to": f"{first + HOUR / 2:%Y-%m-%dT%H:%M:%SZ}",
                "payment_method": None,
            }
        )
        first += HOUR / 2
    return {"count": len(rates), "next": None, "previous": None, "results": rates[::-1]}


def open_meteo(path: str, query: Query, now: datetime) -> Any:
    """Return forecasts of the day before for each place, null where no run has been made yet."""
    if path != "/forecast" or query.get("timezone") != "GMT":
        return None
    first, last = (datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("start_date", "end_date"))
    hours = quarters(first, last + 24 * HOUR)[::4]
    units = {"temperature_2m": "°C", "shortwave_radiation": "W/m²", "wind_speed_100m": "m/s"}
    answers = []
    for place in range(len(query["latitude"].split(","))):
        values: dict[str, list[Any]] = {
            name: [wave(at, 10.0 + place, 5.0) if at <= now + 24 * HOUR else None for at in hours]
            for name in query["hourly"].split(",")
        }
        answers.append(
            {
                "latitude": 51.5,
                "longitude": -0.1,
                "utc_offset_seconds": 0,
                "timezone": "GMT",
                "hourly_units": {"time": "iso8601", **{n: units[n.removesuffix("_previous_day1")] for n in values}},
                "hourly": {"time": [f"{at:%Y-%m-%dT%H:%M}" for at in hours], **values},
            }
        )
    return answers if len(answers) > 1 else answers[0]


def entsoe(_path: str, query: Query, now: datetime) -> Any:
    """Return a document whose equal positions are left out, hourly."""
    if query.get("securityToken") != "secret":
        return None
    start, end = (
        datetime.strptime(query[f"period{name}"], "%Y%m%d%H%M").replace(tzinfo=UTC) for name in ("Start", "End")
    )
    is_price = query["documentType"] == "A44"
    is_ahead = is_price or query["processType"] == "A01"
    end = min(end, now + 24 * HOUR if is_ahead else now)
    hours = int((end - start) / HOUR)
    if hours <= 0:
        return acknowledgement("No matching data found")
    kinds = ("B16", "B19", "B18") if query["documentType"] in ("A75", "A69") else ("",)
    value, unit = (
        ("price.amount", "price_Measure_Unit.name") if is_price else ("quantity", "quantity_Measure_Unit.name")
    )
    points = "".join(
        f"<Point><position>{n + 1}</position><{value}>{100.0 + n // 2}</{value}></Point>" for n in range(0, hours, 2)
    )
    series = [
        f"<TimeSeries>{f'<MktPSRType><psrType>{kind}</psrType></MktPSRType>' if kind else ''}"
        f"<{unit}>{'MWH' if is_price else 'MAW'}</{unit}><curveType>A03</curveType>"
        + (
            f"<classificationSequence_AttributeInstanceComponent.position>{auction}"
            "</classificationSequence_AttributeInstanceComponent.position>"
            if is_price
            else ""
        )
        + f"<Period><timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
        f"<resolution>PT60M</resolution>{points}</Period></TimeSeries>"
        for kind in kinds
        for auction in ((1, 2) if is_price else (1,))
    ]
    name = "Publication_MarketDocument" if is_price else "GL_MarketDocument"
    return f'<?xml version="1.0"?><{name} xmlns="urn:entsoe">{"".join(series)}</{name}>'.encode()


def acknowledgement(text: str) -> bytes:
    """Return the document that says why there is no data."""
    name = "Acknowledgement_MarketDocument"
    return f'<{name} xmlns="urn:x"><Reason><code>999</code><text>{text}</text></Reason></{name}>'.encode()


def everything(now: Callable[[], datetime]) -> Answer:
    """Return the answers of all services, each below ``/NAME``, by a clock.

    Args:
        now: What the services take for the time.
    """
    elexon = ElexonWorld(now=now)
    worlds: dict[str, Answer] = {
        "elexon": elexon,
        "aemo": lambda path, query: aemo(path, query, now()),
        "energy-charts": lambda path, query: energy_charts(path, query, now()),
        "octopus": lambda path, query: octopus(path, query, now()),
        "open-meteo": lambda path, query: open_meteo(path, query, now()),
        "entsoe": lambda path, query: entsoe(path, query, now()),
    }

    def answer(path: str, query: Query) -> Any:
        _, name, *rest = path.split("/", 2)
        return worlds[name]("/" + "".join(rest), query)

    return answer


def addresses(server: str) -> dict[str, str]:
    """Return the settings of ``feeds`` that lead to the services of ``everything`` below a server's address."""
    hosts = {"aemo_nemweb": "aemo"}
    names = ("elexon", "aemo", "aemo_nemweb", "energy_charts", "octopus", "open_meteo", "entsoe")
    return {f"{name}_url": f"{server}/{hosts.get(name, name.replace('_', '-'))}" for name in names}
