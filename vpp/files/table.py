"""A data file as a table: header line, then chunks of raw cells. CSV (plain, gzipped), Parquet (a folder too), records.

Cells of a CSV remain text unless a column consists of plain numbers; row 1 is the header.
"""

from __future__ import annotations

import csv
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import numpy as np
import pandas as pd

from vpp.errors import DataError, did_you_mean
from vpp.files.cells.numbers import MISSING_MARKS
from vpp.files.dataset import names_of, read_folder
from vpp.files.decoding import LastLine, is_parquet, open_text, refuse_other_kinds, wrong_encoding
from vpp.files.mapping import Mapping
from vpp.files.short_rows import ShortRows, find_short_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

SEPARATORS = (",", ";", "\t", "|")
_PLAIN_MARKS = sorted({*MISSING_MARKS, *(mark.upper() for mark in MISSING_MARKS), "NaN", "None", "Null"})


_HEADER_WITHIN = 30
_HEADER_HINT = "put a line with the names of the columns in front, such as timestamp,zone,load_mw,price"
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_DAY_OF_ROWS = re.compile(r"\b\d{1,2}/\d{1,2}/\d{4}$")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""Excel's own line in front of a header."""
_CLOCK = re.compile(r"\d{1,2}:\d\d")
_MAX_QUANTITIES = 1000


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Rows of the file as text; ``rows`` has their numbers."""

    cells: pd.DataFrame
    rows: Any


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One opened file.

    Attributes:
        path: The file, or a folder of Parquet files.
        header: Its column names, blanks at their ends removed.
        separator: Between the fields of a CSV.
        mapping: How it is written.
        content: The whole content, where the file has to be read at once (records, long form).
        written: The column names in the file, where ``header`` is not them; empty for records.
        short: Records that end early, where the file is one of records.
        nested: Channels that came out of a column of JSON objects.
    """

    path: Path
    header: tuple[str, ...]
    separator: str
    mapping: Mapping
    content: RawChunk | None = None
    written: tuple[str, ...] | None = None
    short: ShortRows = field(default_factory=ShortRows)
    nested: tuple[str, ...] = ()

    @property
    def doubles(self) -> set[str]:
        """Names that several columns have."""
        return {name for name, count in Counter(self.header).items() if count > 1}

    def short_rows(self, zone_column: str | None) -> ShortRows:
        """Read the text once more and return the rows that have fewer fields than the header, by their zone."""
        if is_parquet(self.path) or self.written == ():
            return self.short
        form = self.mapping
        zone_column = zone_column if self.content is None else None
        with open_text(self.path, form.encoding) as lines:
            return find_short_rows(lines, self.written or self.header, self.separator, form.skip_rows, zone_column)

    @property
    def is_typed(self) -> bool:
        """Whether the file states itself which columns are numbers."""
        return self.content is None and is_parquet(self.path)

    def chunks(self, columns: Sequence[str], text: Sequence[str], chunk_rows: int) -> Iterator[RawChunk]:
        """Yield the rows of some columns.

        Args:
            columns: Names of the columns wanted.
            text: Those of them that stay text (times, zones).
            chunk_rows: Rows read at a time.

        Raises:
            DataError: The file is cut short, a row has too many fields, or the text is not of its encoding.
        """
        if self.content is not None:
            for first in range(0, len(self.content.rows), chunk_rows):
                part = slice(first, first + chunk_rows)
                yield RawChunk(self.content.cells.iloc[part][list(columns)], self.content.rows[part])
        elif self.path.is_dir():
            yield self._folder(columns, text)
        elif is_parquet(self.path):
            yield from self._parquet(columns, chunk_rows)
        else:
            yield from self._csv(columns, text, chunk_rows)

    def _folder(self, columns: Sequence[str], text: Sequence[str]) -> RawChunk:
        """Return the rows by time and zone; of rows of one time and zone, what the later ones state."""
        names = names_of(self.path)
        wanted = [names[self.header.index(name)] for name in columns]
        read = read_folder(self.path, wanted)
        cells = pd.DataFrame({n: _plain(read.column(w)) for n, w in zip(columns, wanted, strict=True)})
        keys = [name for name in columns if name in text and name != self.mapping.nested]
        cells = cells.groupby(keys, as_index=False, sort=True, dropna=False).last()[list(columns)]
        return RawChunk(cells, np.arange(2, len(cells) + 2))

    def _parquet(self, columns: Sequence[str], chunk_rows: int) -> Iterator[RawChunk]:
        import pyarrow.parquet as pq  # loaded only for Parquet files

        row = 2
        names = pq.read_schema(self.path).names
        file_columns = [names[self.header.index(name)] for name in columns]
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=chunk_rows, columns=file_columns):
                cells = pd.DataFrame({n: _plain(batch.column(w)) for n, w in zip(columns, file_columns, strict=True)})
                yield RawChunk(cells, np.arange(row, row + len(cells)))
                row += len(cells)

    def _csv(self, columns: Sequence[str], text: Sequence[str], chunk_rows: int) -> Iterator[RawChunk]:
        width = len(self.header)
        places = {self.header.index(name): name for name in columns}
        numbers = [place for place, name in places.items() if name not in text]
        style = self.mapping.numbers
        read_as_text = [p for p, name in places.items() if name in text or not style.is_plain]
        text_dtypes: Any = dict.fromkeys([*read_as_text, width], "str")
        marks: Any = {place: [*_PLAIN_MARKS, *style.missing] for place in numbers}
        row = self.mapping.skip_rows + 2
        try:
            with open_text(self.path, self.mapping.encoding) as handle:
                last = LastLine(handle)
                reader = pd.read_csv(
                    cast("TextIO", last),  # pandas reads and iterates, no more
                    sep=self.separator,
                    decimal=style.decimal,
                    header=None,
                    names=list(range(width + 1)),
                    index_col=False,
                    skiprows=self.mapping.skip_rows + 1,
                    dtype=text_dtypes,
                    na_values=marks,
                    keep_default_na=False,
                    skip_blank_lines=False,
                    chunksize=chunk_rows,
                    low_memory=False,
                )
                with reader:
                    for read in reader:
                        rows = np.arange(row, row + len(read))
                        row += len(read)
                        yield self._whole(read, places, rows)
                self._refuse_cut(last, places)
        except UnicodeError as error:
            raise wrong_encoding(self.path, self.mapping.encoding) from error
        except pd.errors.EmptyDataError:
            return
        except (OSError, EOFError, zlib.error, lzma.LZMAError, pd.errors.ParserError) as error:
            raise DataError(
                f"cannot read {self.path} after row {row - 1}: {error}", hint="is the file complete?"
            ) from error

    def _refuse_cut(self, last: LastLine, places: dict[int, str]) -> None:
        if last.cut is None or '"' in last.cut:
            return
        fields = len(_fields(last.cut, self.separator))
        lost = [name for place, name in sorted(places.items()) if place >= fields]
        if lost:
            raise DataError(
                f"{self.path} ends inside its last row ({last.cut.strip()}): it has no {lost[0]}",
                hint="the file is cut short: fetch it again, or remove its last row",
            )

    def _whole(self, read: pd.DataFrame, places: dict[int, str], rows: Any) -> RawChunk:
        width = len(self.header)
        extra = (read[width].fillna("").str.strip() != "").to_numpy()
        if extra.any():
            row = rows[int(np.argmax(extra))]
            raise DataError(
                f"{self.path}, row {row} has more fields than the header's {width}",
                hint="put numbers with a separator inside in quotes, or state separator: in a mapping file",
            )
        cells = read[list(places)]
        blank = np.ones(len(cells), dtype=bool)
        for place in places:
            column = cells[place]
            blank &= (column.isna() | (column.astype(str).str.strip() == "")).to_numpy() if blank.any() else blank
        cells = cells.rename(columns=places)
        if not blank.any():
            return RawChunk(cells, rows)
        return RawChunk(cells[~blank].reset_index(drop=True), rows[~blank])


def open_table(path: Path, mapping: Mapping | None) -> SourceTable:
    """Open a file and read its header.

    Raises:
        DataError: It does not exist, is no table, or its text is not of its encoding.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", hint="give an existing .csv, .csv.gz or .parquet file")
    stated = mapping or Mapping()
    try:
        refuse_other_kinds(path)
        if path.is_dir():
            return SourceTable(path, clean(names_of(path)), "", stated)
        if is_parquet(path):
            import pyarrow.parquet as pq  # loaded only for Parquet files

            return SourceTable(path, clean(pq.read_schema(path).names), "", stated)
        with open_text(path, stated.encoding) as handle:
            if stated.tables:
                return _records(path, handle, stated)
            line, stated = _header(handle, stated)
    except UnicodeError as error:
        raise wrong_encoding(path, stated.encoding) from error
    except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"cannot read {path}: {error}", hint="is the file complete?") from error
    separator = stated.separator or max(SEPARATORS, key=lambda mark: len(_fields(line, mark)))
    header = clean(_fields(line, separator))
    if not any(header):
        raise DataError(f"{path} has no header line", hint="give a file with a header line and at least two rows")
    if "\0" in line:
        raise DataError(f"{path} is no text", hint="give a CSV or Parquet file, packed or plain")
    if any(_DATE.match(name) for name in header) and any(_NUMBER.fullmatch(name) for name in header):
        raise DataError(f"{path} has no header line, it begins with {line.strip()}", hint=_HEADER_HINT)
    day = _DAY_OF_ROWS.search(header[0])
    if day is not None and len(header) > 2 and all(_CLOCK.fullmatch(name) for name in header[1:]):
        return _turned(SourceTable(path, header, separator, stated), day[0])
    return SourceTable(path, header, separator, stated)


def _turned(table: SourceTable, day: str) -> SourceTable:
    """Return a table of one day that has a row per quantity and a column per time as one with a column per quantity.

    The first time at the end again is of the next day, which another file holds: it is left out. Other times come twice
    on the day on which the clock goes back.
    """
    clocks = table.header[1:-1] if table.header[-1] == table.header[1] else table.header[1:]
    plain = replace(table, header=tuple(map(str, range(len(table.header)))))
    parts = [part.cells for part in plain.chunks(plain.header, plain.header, _MAX_QUANTITIES)]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(plain.header))
    cells = rows.iloc[:, 1 : len(clocks) + 1].T.reset_index(drop=True)
    cells.columns = pd.Index(clean(rows["0"]))
    cells.insert(0, "Time", [f"{day} {clock}" for clock in clocks])
    content = RawChunk(cells, cells.index)
    return replace(table, header=tuple(cells.columns), content=content, written=table.header)


def header_line(table: SourceTable) -> int | None:
    """Return the number of lines before the header, which names the time column; None if no early line does."""
    if table.content is not None or table.is_typed:
        return None
    time_columns = {name.casefold() for name in table.mapping.time.column}
    with open_text(table.path, table.mapping.encoding) as handle:
        for line_no, line in enumerate(handle):
            if line_no > _HEADER_WITHIN:
                break
            names = (clean(_fields(line, separator)) for separator in SEPARATORS)
            if line_no > table.mapping.skip_rows and any(
                time_columns & {name.casefold() for name in header} for header in names
            ):
                return line_no
    return None


def lines_before_header(table: SourceTable) -> int:
    """Return how many lines stand before the first of three that have the same number of fields, 0 where none does."""
    if table.content is not None or table.is_typed:
        return 0
    with open_text(table.path, table.mapping.encoding) as handle:
        lines = [line for line, _ in zip(handle, range(_HEADER_WITHIN), strict=False)]
    for line_no in range(table.mapping.skip_rows, len(lines) - 2):
        for separator in SEPARATORS:
            widths = {len(_fields(line, separator)) for line in lines[line_no : line_no + 3]}
            if len(widths) == 1 and widths != {1}:
                return line_no
    return 0


def clean(names: Iterable[object]) -> tuple[str, ...]:
    """Return column names without blanks and marks at their ends."""
    return tuple(str(name).replace("\u00a0", " ").strip().lstrip("\ufeff").strip() for name in names)


def _header(handle: TextIO, mapping: Mapping) -> tuple[str, Mapping]:
    """Return the header line, and the mapping with what a line of Excel's in front of it states."""
    for _ in range(mapping.skip_rows):
        handle.readline()
    line = _record(handle)
    mark = _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n"))
    if mark is None:
        return line, mapping
    form = {"skip_rows": mapping.skip_rows + 1, "separator": mapping.separator or mark[1]}
    return _record(handle), mapping.model_copy(update=form)


def _record(handle: TextIO) -> str:
    """Return the next line, joined with those that follow while a quote is open."""
    line = handle.readline()
    for _ in range(_HEADER_WITHIN):
        more = handle.readline() if line.count('"') % 2 else ""
        if not more:
            break
        line += more
    return line


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader(line.rstrip("\r\n").splitlines(keepends=True), delimiter=separator), [])


def _plain(column: Any) -> pd.Series[Any]:
    import pyarrow as pa  # loaded only for Parquet files

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    plain: pd.Series[Any] = column.to_pandas()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return plain.fillna("")
    return plain


def _records(path: Path, handle: Iterable[str], mapping: Mapping) -> SourceTable:
    """Read the stated tables of a file of records: I names the columns of a table, D holds a row of it."""
    headers: dict[str, list[str]] = {}
    lines: dict[str, list[list[str]]] = {name: [] for name in mapping.tables}
    numbers: dict[str, list[int]] = {name: [] for name in mapping.tables}
    short = ShortRows()
    for row, fields in enumerate(csv.reader(handle), start=1):
        name = ".".join(fields[1:3]).upper() if len(fields) > 3 else ""
        if fields[:1] == ["I"]:
            headers[name] = fields[4:]
        elif fields[:1] == ["D"] and name in lines:
            names = headers.get(name, [])
            lacks = names[len(fields) - 4 :]
            lines[name].append([*fields[4 : 4 + len(names)], *("" for _ in lacks)])
            short.add(row, lacks)
            numbers[name].append(row)
    joined: pd.DataFrame | None = None
    for name in mapping.tables:
        if name not in headers:
            raise DataError(
                f"{path} has no table {name}{did_you_mean(name, headers)}", hint=f"it has {', '.join(headers)}"
            )
        frame = pd.DataFrame(lines[name], columns=list(clean(headers[name])), dtype="str")
        if joined is None:
            frame["row"] = numbers[name]
            joined = frame
            continue
        keys = [
            k for k in (*mapping.time.column, mapping.zone_column or "", "INTERVENTION") if k in frame and k in joined
        ]
        joined = joined.merge(frame, on=keys, how="outer", suffixes=("", f"_{name}"))
    assert joined is not None
    rows = joined.pop("row").fillna(0).to_numpy(dtype=np.int64)
    cells = joined.fillna("")
    return SourceTable(path, tuple(cells.columns), ",", mapping, RawChunk(cells, rows), written=(), short=short)
