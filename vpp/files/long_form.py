"""Turns a long table, with one value per row and the name of its quantity beside it, into a wide one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from vpp.errors import DataError, did_you_mean
from vpp.files.table import RawChunk, SourceTable


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
