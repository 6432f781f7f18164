"""The feature list in groups, and the feature table of a zone; short lags in steps, long ones in minutes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from features import calendar as cal
from features.derived_series import present
from features.feature_spec import Feature, FeatureSpec, Op, spec_hash
from vpp.domain import Step, horizons_min

BASE = "bias-corrected published net load minus now"
KNOWN = "published net load known"
ERROR_NOW = "published net load error now"
PUBLISHED_CHANGE = "published net load change"

_WEATHER_STAGES = "ABUFT"

_LABEL = {
    "net": "net load",
    "load": "load",
    "solar": "solar",
    "wind": "wind",
    "embedded_wind": "embedded wind",
    "embedded": "embedded generation",
    "error": "published net load error",
    "demand_error": "published demand error",
    "wind_error": "published wind error",
    "published": "published net load",
    "solar_error": "published solar error",
    "embedded_wind_error": "published embedded wind error",
    "demand_published": "published demand",
    "wind_published": "published wind",
    "solar_published": "published solar",
    "embedded_wind_published": "published embedded wind",
    "renewable": "solar + wind",
}


def _span(steps: int, step: Step) -> str:
    minutes = steps * step.minutes
    if minutes % 1440 == 0:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _steps(step: Step, minutes: tuple[int, ...], few: tuple[int, ...] = ()) -> list[int]:
    """Return lags in steps: ``few`` as they are, and those of ``minutes``, without repeats, ascending."""
    return sorted({*few, *(max(m // step.minutes, 1) for m in minutes)})


def rows(step: Step) -> Iterator[Feature]:
    """Yield the whole table for one step length."""
    yield from _basic(step)
    yield from _recent(step)
    yield from _errors(step)
    yield from _seasonal(step)
    yield from _sun_and_calendar()
    yield from _published(step)
    yield from _weather(step)


def build_spec(channels: Collection[str], step: Step) -> FeatureSpec:
    """Return the feature table of a zone with these channels (``net_load_mw`` among them).

    A feature whose series or column the zone lacks is left out, so the table, and its hash, follow the zone's columns.
    """
    have = present(channels)
    selected: list[Feature] = []
    names: set[str] = set()
    ordered = sorted(_unique(rows(step)), key=lambda f: f.op > Op.FIRST_TARGET_OP)
    for feature in ordered:
        series_ok = all(s in have for s in (feature.x, feature.z) if s)
        if series_ok and all(name in names for name in feature.of):
            selected.append(feature)
            names.add(feature.name)
    used = {s for f in selected for s in (f.x, f.z) if s}
    series = tuple(have[name] for name in sorted(used))
    index = {s.name: i for i, s in enumerate(series)}
    position = {f.name: i for i, f in enumerate(selected)}
    code = np.zeros((len(selected), 8), dtype=np.int64)
    for i, f in enumerate(selected):
        of = [position[name] for name in f.of] + [-1, -1]
        code[i] = (f.op, index.get(f.x, -1), index.get(f.z, -1), f.a, f.b, of[0], of[1], f.op > Op.FIRST_TARGET_OP)
    return FeatureSpec(
        step_min=step.minutes,
        features=tuple(selected),
        series=series,
        horizons_min=horizons_min(step.minutes),
        code=code,
        n_origin=sum(1 for f in selected if f.op < Op.FIRST_TARGET_OP),
        hash=spec_hash(step, selected, series),
    )


def _unique(rows: Iterator[Feature]) -> list[Feature]:
    unique: dict[str, Feature] = {}
    for row in rows:
        unique.setdefault(row.name, row)
    return list(unique.values())


def _change(x: str, k: int, step: Step, stages: str) -> Feature:
    return Feature(f"{_LABEL[x]} change over {_span(k, step)}", Op.CHANGE, x, a=k, stages=stages)


def _recent(step: Step) -> Iterator[Feature]:
    day = step.per_day
    for k in _steps(step, (720, 1440, 2880, 10080), (1, 2, 3, 4, 6, 12, *((24, 72) if step.minutes < 30 else ()))):
        yield _change("net", k, step, "ABUT" if k <= 12 else "ABU")
    for k in range(1, 13):
        yield _change("net", k, step, "T")
    for w, stages in ((12, "T"), (day, "ABUT"), (7 * day, "ABU")):
        yield Feature(f"net load mean of {_span(w, step)} minus now", Op.MEAN_GAP, "net", a=w, stages=stages)
    for k in _steps(step, (1440, 10080), (1, 2, 4)):
        yield _change("load", k, step, "ABU")
    for d, lags in ((7, (1, 2, 3, 4, 8)), (1, (1, 2, 4))):
        for k in lags:
            name = f"net load change over {_span(k, step)} minus that {'a week' if d == 7 else 'a day'} ago"
            yield Feature(name, Op.PATH, "net", a=k, b=d, stages="ABU")
    yield Feature("solar now", Op.VALUE, "solar", stages="ABUT")
    yield Feature("clearness x solar now", Op.PRODUCT, of=("clearness", "solar now"), stages="T")
    for k in (1, 2):
        yield _change("solar", k, step, "ABUT")
    yield Feature("wind now", Op.VALUE, "wind", stages="ABUFTV")
    yield Feature("embedded wind now", Op.VALUE, "embedded_wind", stages="ABUT")
    yield Feature("embedded generation now", Op.VALUE, "embedded", stages="ABUT")
    for k in (1, 2, 3, 4, 8, 12, 24):
        yield _change("wind", k, step, "ABUT")


def _basic(step: Step) -> Iterator[Feature]:
    day = step.per_day
    yield Feature("net load now", Op.VALUE, "net", stages="T")
    yield Feature("load now", Op.VALUE, "load", stages="")
    for w in sorted({3, 6, 12, day // 2, day}):
        for op, word in ((Op.MEAN, "mean"), (Op.STD, "std"), (Op.MIN, "min"), (Op.MAX, "max")):
            yield Feature(f"net load {word} of {_span(w, step)}", op, "net", a=w, stages="T" if op is Op.STD else "")
    yield Feature("net load position in its day's range", Op.POSITION, "net", a=day, stages="T")
    for w in (4, 12):
        yield Feature(f"net load gradient over {_span(w, step)}", Op.GRADIENT, "net", a=w, stages="T")
    yield Feature("renewable penetration", Op.RATIO, "renewable", "load", stages="T")
    for k in (1, 4):
        name = f"renewable penetration change over {_span(k, step)}"
        yield Feature(name, Op.RATIO, "renewable", "load", a=k, stages="T")
    yield _change("renewable", 1, step, "T")
    gradient = f"net load gradient over {_span(4, step)}"
    yield Feature("penetration x gradient", Op.PRODUCT, of=("renewable penetration", gradient), stages="T")
    yield Feature("clearness", Op.CLEARNESS, "solar", a=14, stages="T")


def _seasonal(step: Step) -> Iterator[Feature]:
    def season(x: str, days: tuple[int, ...], stages: str) -> Iterator[Feature]:
        for d in days:
            yield Feature(f"{_LABEL[x]} change {d} d before", Op.SEASON, x, a=d, stages=stages)

    yield from season("net", (1, 2, 3, 4, 5, 6, 7, 14, 21, 28), "ABU")
    yield Feature("net load change, mean of 4 weeks", Op.SEASON_MEAN, "net", a=7, b=4, stages="ABU")
    yield from season("load", (1, 2, 6, 7, 14), "ABU")
    for n in (3, 5, 10):
        stages = "ABUF" if n == 5 else "ABU"
        yield Feature(f"net load change, mean of {n} similar days", Op.SIMILAR, "net", a=n, stages=stages)
    for n in (3, 6):
        yield Feature(
            f"load change, mean of {n} similar days", Op.SIMILAR, "load", a=n, stages="ABUF" if n == 6 else "ABU"
        )
    for x, lags in (("net", (1, 2)), ("load", (1, 2, 4))):
        for k in lags:
            name = f"{_LABEL[x]} change over {_span(k, step)} on similar days minus now"
            yield Feature(name, Op.SIMILAR_STEP, x, a=k, b=5, stages="ABU")
    for d in (1, 2, 3, 7):
        yield Feature(f"load change {d} d before, other day class", Op.SPLIT_SEASON, "load", a=d, stages="ABU")
    yield Feature("load change over 1 d, other day class", Op.SPLIT_CHANGE, "load", a=step.per_day, stages="ABU")
    yield Feature("clear-sky solar at the target minus now", Op.CLEAR_GAP, "solar", a=14, stages="ABU")
    yield Feature("clear-sky solar change", Op.CLEAR_CHANGE, "solar", a=14, stages="ABU")
    yield Feature("solar at the target slot, mean of 7 d", Op.SLOT_MEAN, "solar", a=7, stages="ABUF")
    yield Feature("solar at the target slot, mean of 7 d, minus now", Op.SLOT_MEAN_GAP, "solar", a=7, stages="ABU")
    yield from season("solar", (1, 2, 7), "ABU")


def _sun_and_calendar() -> Iterator[Feature]:
    yield Feature("sun elevation", Op.CALENDAR, a=cal.SUN, stages="ABUFTV")
    yield Feature("sun elevation change", Op.SUN_CHANGE, stages="ABUFTV")
    yield Feature("season of the year, sine", Op.ANNUAL_SIN, stages="ABUF")
    yield Feature("season of the year, cosine", Op.ANNUAL_COS, stages="ABUF")
    for d, name in enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday or holiday")):
        yield Feature(name, Op.WEEKDAY_IS, a=d, stages="ABUF")
    yield Feature("no workday", Op.NON_WORKDAY, stages="ABUFTV")
    yield Feature("holiday", Op.CALENDAR, a=cal.HOLIDAY, stages="ABUFTV")
    yield Feature("holiday the day before", Op.CALENDAR, a=cal.HOLIDAY_YESTERDAY, stages="ABUF")
    yield Feature("holiday a week before", Op.CALENDAR, a=cal.HOLIDAY_WEEK_AGO, stages="ABUF")
    yield Feature("weekday", Op.CALENDAR, a=cal.WEEKDAY, stages="T")
    for b in (1, 2):
        yield Feature(f"time of day, sine {b}", Op.DAY_SIN, b=b, stages="TV" if b == 1 else "V")
        yield Feature(f"time of day, cosine {b}", Op.DAY_COS, b=b, stages="TV" if b == 1 else "V")
    yield Feature("time of week, sine", Op.WEEK_SIN, stages="")
    yield Feature("time of week, cosine", Op.WEEK_COS, stages="")
    yield Feature("horizon", Op.HORIZON, stages="T")


def _errors(step: Step) -> Iterator[Feature]:
    day = step.per_day
    yield Feature(ERROR_NOW, Op.VALUE, "error", stages="BUF")
    for k in _steps(step, (1440,), (1, 2, 4)):
        yield _change("error", k, step, "BUF")
    for w in _steps(step, (1440, 10080), (4,)):
        yield Feature(f"published net load error, mean of {_span(w, step)}", Op.MEAN, "error", a=w, stages="BUF")
    for x in ("wind_error", "embedded_wind_error", "solar_error", "demand_error"):
        yield Feature(f"{_LABEL[x]} now", Op.VALUE, x, stages="BUF")
    for x in ("demand_error", "wind_error"):
        for k in (1, 2):
            yield _change(x, k, step, "BUF")
        yield Feature(f"{_LABEL[x]}, mean of 1 d", Op.MEAN, x, a=day, stages="BUF")
    yield Feature("published wind, mean of 14 d", Op.MEAN, "wind_published", a=14 * day, stages="")
    wind = "last published wind minus "
    yield Feature(wind + "wind now", Op.LAST_PUBLISHED_GAP, "wind_published", "wind_forecastable", stages="U")
    yield Feature(wind + "published wind now", Op.LAST_PUBLISHED_GAP, "wind_published", "wind_published", stages="U")


def _published(step: Step) -> Iterator[Feature]:
    yield Feature(KNOWN, Op.KNOWN, "published", stages="TV")
    yield Feature(PUBLISHED_CHANGE, Op.AHEAD_CHANGE, "published", stages="BUF")
    yield Feature("published net load minus net load now", Op.AHEAD_GAP, "published", "net", stages="BUF")
    yield Feature("published net load change after the target", Op.AHEAD_STEP, "published", a=1, stages="BUF")
    yield Feature("published net load change before the target", Op.AHEAD_STEP, "published", a=-1, stages="BUF")
    for d in (14, 7):
        name = f"published net load error at the target slot, mean of {d} d"
        yield Feature(name, Op.SLOT_MEAN, "error", a=d, stages="BUF")
    for d in (14, 28):
        name = f"published net load error at the target slot minus now's, mean of {d} d"
        yield Feature(name, Op.SLOT_MEAN_CHANGE, "error", a=d, stages="BUF")
    of = ("published net load minus net load now", "published net load error at the target slot, mean of 14 d")
    yield Feature(BASE, Op.SUM, of=of, stages="BUF")
    for d in (1, 2, 7):
        yield Feature(f"published net load error change {d} d before", Op.SEASON, "error", a=d, stages="BUF")
    for x in ("wind", "embedded_wind", "solar", "demand"):
        yield Feature(f"published {_LABEL.get(x, x)} change", Op.AHEAD_CHANGE, f"{x}_published", stages="BUFV")
    for x in ("demand_error", "wind_error"):
        name = f"{_LABEL[x]} at the target slot, mean of 14 d"
        yield Feature(name, Op.SLOT_MEAN, x, a=14, stages="BUF")
    yield Feature(
        "published solar scaled by its error now, minus now", Op.SCALED_AHEAD, "solar_published", "solar", stages="BUF"
    )
    mean = ("published wind, mean of 14 d",)
    yield Feature("published wind over its mean", Op.AHEAD_RATIO, "wind_published", of=mean, stages="BUF")
    yield Feature(
        "published wind over its mean, squared",
        Op.TARGET_PRODUCT,
        of=("published wind over its mean",) * 2,
        stages="BUF",
    )
    yield Feature("published wind", Op.AHEAD, "wind_published", stages="BUFV")
    yield Feature("published wind squared", Op.AHEAD_SQUARE, "wind_published", stages="BUF")
    yield Feature("published solar", Op.AHEAD, "solar_published", stages="BUFV")


def _weather(step: Step) -> Iterator[Feature]:
    """Yield features of the previous day's weather forecast for the target slot, and its differences from earlier days.

    Demand depends on temperature non-linearly, with a different curve in each place. Features are therefore
    temperature, its square, its difference from an earlier day, and the product of both.
    """
    for x, label in (
        ("temperature_ahead", "forecast temperature"),
        ("irradiance_ahead", "forecast irradiance"),
        ("wind_speed_ahead", "forecast wind speed"),
    ):
        yield Feature(label, Op.AHEAD, x, stages=_WEATHER_STAGES)
        yield Feature(f"{label} squared", Op.AHEAD_SQUARE, x, stages=_WEATHER_STAGES)
        yield Feature(f"{label} change", Op.AHEAD_CHANGE, x, stages=_WEATHER_STAGES)
        yield Feature(f"{label} x its change", Op.TARGET_PRODUCT, of=(label, f"{label} change"), stages=_WEATHER_STAGES)
        for days in (1, 7):
            earlier = f"{label} {days} d before minus it"
            yield Feature(earlier, Op.AHEAD_STEP, x, a=-days * step.per_day, stages=_WEATHER_STAGES)
            product = f"{label} x that of {days} d before minus it"
            yield Feature(product, Op.TARGET_PRODUCT, of=(label, earlier), stages=_WEATHER_STAGES)
