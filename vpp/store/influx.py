"""The production store: InfluxDB 2, written by line protocol and read by Flux."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from vpp.settings import InfluxSettings
from vpp.store import influx_flux
from vpp.store.contract import Store
from vpp.store.influx_client import InfluxClient
from vpp.store.influx_line_protocol import (
    UNNAMED_RUN,
    has_repeats,
    line_encoder,
    record_decoder,
    run_tag,
    tag_columns,
)
from vpp.store.query import FIRST_TIME, LAST_TIME, MICROSECOND, Query, Span, order_columns
from vpp.store.rowset import RowSet
from vpp.store.sampling import bucket_start
from vpp.store.table import Row, Table

_FIRST_SCAN = timedelta(days=1)


class InfluxStore(Store):
    """A store in one bucket of an InfluxDB 2 server; safe to share between threads.

    Writing is synchronous and idempotent: a point with the same measurement, tags and time is the same point. Whole
    rows are pivoted from their fields only where a question needs them; counts and newest times come from one field.

    Args:
        settings: Address, organisation, bucket, token and time limit.
        run: Name of the run.
        read_only: Never write.
    """

    def __init__(self, settings: InfluxSettings, run: str = "", *, read_only: bool = False) -> None:
        super().__init__(run, read_only=read_only)
        self._client = InfluxClient(settings)
        self._bucket = settings.bucket

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that have rows, sorted."""
        records = self._client.ask(
            'import "influxdata/influxdb/schema"\n'
            f'schema.tagValues(bucket: {influx_flux.literal(self._bucket)}, tag: "run", '
            f"start: {influx_flux.literal(FIRST_TIME)})"
        )
        return tuple(sorted("" if r["_value"] == UNNAMED_RUN else r["_value"] for r in records))

    def ping(self) -> None:
        """Check that the server answers and that the token may read the bucket."""
        self._client.ask(f"from(bucket: {influx_flux.literal(self._bucket)}) |> range(start: -1s) |> limit(n: 1)")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _write(self, batches: Mapping[Table, Sequence[Row]], run: str) -> None:
        for table, rows in batches.items():
            self._client.write(line_encoder(table, run)(rows))

    def _prune(self, table: Table, before: datetime, run: str) -> int:
        count = self._count(Query(table, run, None, None, before, (), table.columns))
        self._client.delete(before, table.name, run_tag(run))
        return count

    def _select(self, query: Query) -> list[Row]:
        narrowed = query
        if query.limit is not None and not _needs_rows(query):
            narrowed = self._narrow(query)
        return self._row_set(narrowed).pick(query)

    def _scan(self, query: Query, chunk_rows: int) -> Iterator[list[Row]]:
        if has_repeats(query.table):
            yield self._row_set(query).pick(query, by_key=True)
            return
        for span in sorted(self._spans(query.table, query.run), key=lambda s: s.zone):
            if query.zones is not None and span.zone not in query.zones:
                continue
            start = max(span.first, query.start or FIRST_TIME)
            end = min(span.last + MICROSECOND, query.end or LAST_TIME)
            width = _FIRST_SCAN
            while start < end:
                stop = start + min(width, end - start)
                rows = self._select(replace(query, zones=(span.zone,), start=start, end=stop))
                yield rows
                start = stop
                if len(rows) < chunk_rows // 2:
                    width = width * 2
                elif len(rows) > chunk_rows:
                    width = width / 2

    def _extent(self, query: Query) -> tuple[int, datetime, datetime] | None:
        if _needs_rows(query):
            return self._row_set(query).extent()
        points = influx_flux.witnesses(self._bucket, query)
        most = [int(r["_value"]) for r in self._client.ask(f"{points} |> count() |> group() |> max()")]
        if not most:
            return None
        first = self._client.ask(f'{points} |> first() |> group() |> min(column: "_time")')
        last = self._client.ask(f'{points} |> last() |> group() |> max(column: "_time")')
        return most[0], *(_time(record) for answer in (first, last) for record in answer)  # type: ignore[return-value]

    def _sample(self, query: Query, width_s: int) -> list[Row]:
        if _needs_rows(query):
            return self._row_set(query).sample(query, width_s)
        reals = [column.name for column in query.columns if column.type == "real"]
        window = f'aggregateWindow(every: {width_s}s, fn: %s, createEmpty: false, timeSrc: "_start")'
        # Buckets in which no number stands are there too: they show by the field that every row has.
        means = f"{influx_flux.source(self._bucket, query, fields=reals)} |> {window % 'mean'}"
        witnesses = f"{influx_flux.witnesses(self._bucket, query)} |> {window % 'count'}"
        order = order_columns(query.table)
        by_name = {column.name: column for column in query.table.columns}
        place = record_decoder(query.table, [by_name[name] for name in order])
        samples: dict[Row, dict[str, Any]] = {}
        for text, is_mean in ((means, True), (witnesses, False)):
            for record in self._client.ask(text):
                time, *series = place(record)
                # The first bucket's start is cut off at the range's.
                values = samples.setdefault((bucket_start(time, width_s), *series), {})
                if is_mean and record["_value"]:
                    values[record["_field"]] = float(record["_value"])
        rows = []
        for key in sorted(samples, reverse=query.descending):
            values = samples[key] | dict(zip(order, key, strict=True))
            rows.append(tuple(values.get(column.name) for column in query.columns))
        return rows[: query.limit]

    def _newest(self, query: Query) -> list[Query]:
        if _needs_rows(query):
            times = {span.zone: span.last for span in self._row_set(query).spans()}
        else:
            points = influx_flux.witnesses(self._bucket, query)
            last = f'{points} |> last() |> group(columns: ["zone"]) |> max(column: "_time")'
            times = dict(map(_zone_time(query.table), self._client.ask(last)))
        return [query.at(zone, instant) for zone, instant in sorted(times.items())]

    def _count(self, query: Query) -> int:
        if _needs_rows(query):
            return len(self._row_set(query))
        points = influx_flux.witnesses(self._bucket, query)
        return sum(int(r["_value"]) for r in self._client.ask(f"{points} |> count() |> group() |> sum()"))

    def _spans(self, table: Table, run: str) -> list[Span]:
        query = Query(table, run, None, None, None, (), table.columns)
        if _needs_rows(query):
            return self._row_set(query).spans()
        points, place = influx_flux.witnesses(self._bucket, query), _zone_time(table)
        by_zone = 'group(columns: ["zone"])'
        first = dict(map(place, self._client.ask(f'{points} |> first() |> {by_zone} |> min(column: "_time")')))
        last = dict(map(place, self._client.ask(f'{points} |> last() |> {by_zone} |> max(column: "_time")')))
        counts = self._client.ask(f"{points} |> count() |> {by_zone} |> sum()")
        rows = [(_zone(table)(record), int(record["_value"])) for record in counts]
        # Rows may come and go between the questions: a zone counts when all of them know it.
        return [Span(zone, count, first[zone], last[zone]) for zone, count in rows if zone in first and zone in last]

    def _row_set(self, query: Query) -> RowSet:
        """Return the rows of a query, unasked fields empty, each once."""
        table = query.table
        wide = query
        if has_repeats(table):
            # The newest copy of a row is used, so no copy may be filtered out before copies are compared.
            wide = replace(query, zones=None, start=None, end=None, filters=(), columns=table.columns)
        decode = record_decoder(table, table.columns)
        rows = RowSet(table, [decode(r) for r in self._client.ask(influx_flux.pivoted(self._bucket, wide))])
        return rows.once().matching(query) if has_repeats(table) else rows

    def _narrow(self, query: Query) -> Query:
        """Return the query with its range cut to the time at which its limit is reached."""
        points = influx_flux.witnesses(self._bucket, query)
        end, way = ("tail", "true") if query.descending else ("limit", "false")
        last = "min" if query.descending else "max"
        text = (
            f'{points} |> {end}(n: {query.limit}) |> keep(columns: ["_time"]) |> group()'
            f' |> sort(columns: ["_time"], desc: {way}) |> limit(n: {query.limit}) |> {last}(column: "_time")'
        )
        for record in self._client.ask(text):
            instant = _time(record)
            return replace(query, start=instant) if query.descending else replace(query, end=instant + MICROSECOND)
        return query


def _needs_rows(query: Query) -> bool:
    return has_repeats(query.table) or bool(influx_flux.field_filters(query))


def _time(record: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(record["_time"])


def _zone(table: Table) -> Any:
    column = next(c for c in tag_columns(table) if c.name == "zone")
    decode = record_decoder(table, [column])
    return lambda record: decode(record)[0]


def _zone_time(table: Table) -> Any:
    zone = _zone(table)
    return lambda record: (zone(record), _time(record))
