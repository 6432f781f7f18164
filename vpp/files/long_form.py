"""Turns a table with several channels in one column into one with a column per channel.

A long table has one value per row and the name of its quantity beside it; a nested one has a JSON object in each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from vpp.errors import DataError, did_you_mean
from vpp.files.decoding import is_parquet
from vpp.files.table import RawChunk, SourceTable
from vpp.plain_text import cell_text


def melt(table: SourceTable, keys: Sequence[str]) -> SourceTable:
    """Return a long table (one value per row) as a wide one: a column per quantity, a row per key.

    Args:
        table: The long table; its mapping names the columns of name and value.
        keys: Key columns of a row (time, zone).

    Raises:
        DataError: A column is missing.
    """
    long = table.mapping.long
    assert long is not None
    value = next((name for name in long.value if name in table.header), long.value[0])
    for column in (long.name, value):
        if column not in table.header:
            raise DataError(
                f"{table.path}: no column {column!r}{did_you_mean(column, table.header)}",
                hint="correct long.name and long.value in the mapping",
            )
    columns = [*keys, long.name, value]
    parts = list(table.chunks(columns, columns, 1_000_000))
    cells = pd.concat([part.cells for part in parts], ignore_index=True).astype("str")
    rows = np.concatenate([part.rows for part in parts])
    cells[long.name] = cells[long.name].str.strip()
    # The repeated hour in autumn repeats its keys: the n-th value of a quantity belongs to the n-th row of its key.
    cells["turn"] = cells.groupby([*keys, long.name], sort=False).cumcount()
    rows_of = [*keys, "turn"]
    first = cells.assign(row=rows).groupby(rows_of, sort=False)["row"].first()
    wide = cells.pivot(index=rows_of, columns=long.name, values=value).reindex(first.index)
    wide = wide.reset_index("turn", drop=True)
    names = [str(name) for name in wide.columns]
    content = RawChunk(wide.fillna("").reset_index(), first.to_numpy())
    return replace(table, header=(*keys, *names), content=content, written=table.written or table.header)


def unfold(table: SourceTable) -> SourceTable:
    """Return a table with a column of JSON objects as one with a column ``COLUMN:KEY`` per key besides its own.

    Values that are no numbers are missing, and so is a cell that is empty. A key that is a channel of the mapping is
    left out: the mapping says which column holds it. Texts that were written so that a spreadsheet runs no formula are
    read as they were before.

    Raises:
        DataError: A cell is no JSON object; names its row.
    """
    column, mapping = str(table.mapping.nested), table.mapping
    names = [name for name in table.header if name not in table.doubles]
    parts = list(table.chunks(names, [column, *mapping.time.column, *mapping.key_columns], 1_000_000))
    cells = pd.concat([part.cells for part in parts], ignore_index=True) if parts else pd.DataFrame(columns=names)
    rows = np.concatenate([part.rows for part in parts]) if parts else np.empty(0, dtype=np.int64)
    further: dict[str, Any] = {}
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for at, (row, cell) in enumerate(zip(rows, cells.pop(column).fillna(""), strict=True)):
        try:
            values = decode(cell) if cell else {}
        except msgspec.DecodeError as error:
            raise DataError(
                f"{table.path}, row {row}: {column} holds no JSON object ({error})", hint="export the table once more"
            ) from error
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in mapping.channels:
                further.setdefault(name, np.full(len(rows), np.nan))[at] = value
    if mapping.zone_column in cells and not is_parquet(table.path):
        cells[mapping.zone_column] = cells[mapping.zone_column].map(cell_text)
    channels = pd.DataFrame({f"{column}:{name}": further[name] for name in sorted(further)}, index=cells.index)
    content = RawChunk(pd.concat([cells, channels], axis=1), rows)
    written = table.written or table.header
    header = tuple(map(str, content.cells.columns))
    return replace(table, header=header, content=content, written=written, nested=tuple(sorted(further)))
