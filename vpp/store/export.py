"""Tables as files: the same rows give the same bytes, for any store and any order of arrival."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import msgspec

from vpp.atomic_file import atomic_writer
from vpp.domain import iso
from vpp.errors import DataError, UnreachableError
from vpp.plain_text import csv_cell, seen_json
from vpp.store.contract import Store
from vpp.store.query import find_table
from vpp.store.table import Column, Row, Table

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "parquet", "json"]
GROUP_ROWS = 65_536


def export(
    store: Store,
    table: Table | str,
    fmt: Format,
    out: Path | BinaryIO,
    *,
    zone: str | Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    run: str | None = None,
) -> int:
    """Write a table in the order of its key and return the number of rows; big tables are streamed.

    Times are ISO 8601 UTC, floats the shortest text that reads back as the same number, missing values empty (CSV) or
    null. Control and invisible characters in CSV and JSON are written as escapes; in CSV a text that a spreadsheet
    would run as a formula begins with an apostrophe. JSON is an array with one object per line; JSON columns are nested
    in it, and text in CSV and Parquet.

    Args:
        store: Where the rows are.
        table: The table or its name.
        fmt: ``csv``, ``parquet`` or ``json``.
        out: A file, which appears only when it is whole, or an open binary stream.
        zone: One zone, several, or None for all.
        start: First time, inclusive.
        end: Last time, exclusive.
        run: Another run than the store's own.

    Raises:
        ConfigError: The table is unknown.
        UnreachableError: The store does not answer, or the file cannot be written.
    """
    entry = find_table(table)
    chunks = (chunk.values for chunk in store.scan(entry, zone=zone, start=start, end=end, run=run))
    writer = {"csv": _write_csv, "parquet": _write_parquet, "json": _write_json}[fmt]
    with _opened(out) as stream:
        return writer(entry, chunks, stream)


@contextmanager
def _opened(out: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(out, Path):
        yield out
        return
    try:
        with atomic_writer(out) as stream:
            yield stream
    except OSError as error:
        raise UnreachableError(
            f"{out}: {error.strerror}", hint="may this user write there, and is there room?"
        ) from error


def _write_csv(table: Table, chunks: Iterable[list[Row]], stream: BinaryIO) -> int:
    forms = [_CSV_FORMS.get(column.type, _csv_text) for column in table.columns]
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    rows = 0
    for chunk in chunks:
        writer.writerows(
            ["" if value is None else form(value) for form, value in zip(forms, row, strict=True)] for row in chunk
        )
        rows += len(chunk)
    text.detach()
    return rows


def _csv_json(value: str) -> str:
    return csv_cell(seen_json(value))


def _csv_text(value: Any) -> str:
    return csv_cell(str(value))


_CSV_FORMS: dict[str, Callable[[Any], str]] = {
    "time": iso,
    "int": str,
    "real": lambda value: repr(float(value)),
    "bool": lambda value: "true" if value else "false",
    "json": _csv_json,
}


def _write_json(table: Table, chunks: Iterable[list[Row]], stream: BinaryIO) -> int:
    forms = [(c.name, _JSON_FORMS.get(c.type, lambda value: value)) for c in table.columns]
    encode = msgspec.json.Encoder().encode
    stream.write(b"[")
    rows = 0
    for chunk in chunks:
        for row in chunk:
            stream.write(b",\n" if rows else b"\n")
            pairs = zip(forms, row, strict=True)
            line = encode({name: None if value is None else form(value) for (name, form), value in pairs})
            stream.write(seen_json(line.decode()).encode())
            rows += 1
    stream.write(b"\n]\n" if rows else b"]\n")
    return rows


_JSON_FORMS: dict[str, Callable[[Any], Any]] = {
    "time": iso,
    "real": float,
    "json": lambda value: msgspec.Raw(value.encode()),
}


def _write_parquet(table: Table, chunks: Iterable[list[Row]], stream: BinaryIO) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(column.name, arrow_type(column)) for column in table.columns])
    rows = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for group in _regrouped(chunks, GROUP_ROWS):
            values = zip(*group, strict=True)
            arrays = [pa.array(list(column), field.type) for column, field in zip(values, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP_ROWS)
            rows += len(group)
    return rows


def arrow_type(column: Column) -> pa.DataType:
    """Return the type of a column in Parquet files."""
    import pyarrow as pa

    match column.type:
        case "time":
            return pa.timestamp("us", tz="UTC")
        case "real":
            return pa.float64()
        case "int":
            return pa.int64()
        case "bool":
            return pa.bool_()
        case "text" | "json":
            return pa.string()
        case other:
            raise DataError(f"column {column.name} has the unknown type {other}")


def _regrouped(chunks: Iterable[list[Row]], size: int) -> Iterator[list[Row]]:
    # The bytes must not depend on how the store cuts its answer.
    waiting: list[Row] = []
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting:
        yield waiting
