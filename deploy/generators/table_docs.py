"""The reference of all tables, made from ``vpp.store.tables``."""

from __future__ import annotations

from vpp.store.influx_line_protocol import field_columns, tag_columns, witness
from vpp.store.table import Table
from vpp.store.tables import TABLES

_HEAD = """\
# Tables

What a run leaves in the store. Names and columns are the same in SQLite, InfluxDB, exports (`vpp export`) and the
answers of the MCP server. Times are UTC, `slot` is a slot's start, power is positive into the grid, missing is empty
(never 0). Writing a row again changes nothing; a missing value never overwrites a stored one. Only `dlq` holds
offsets, only `dlq` and `ends` hold the broker's time, and `hops` holds the wall times of the steps.

Written by `python -m deploy.generate` from `vpp/store/tables.py`: do not edit.

| column type | SQLite | InfluxDB | CSV and JSON | Parquet |
|---|---|---|---|---|
| time | text, ISO 8601 with `Z` | the point's time, others string fields | ISO 8601 with `Z` | timestamp (µs, UTC) |
| text | text | tag or string field | text | string |
| json | text | string field | text in CSV, nested in JSON | string |
| real | real | float | shortest text that reads back the same | double |
| int | integer | tag or integer field | digits | int64 |
| bool | integer 0 or 1 | boolean | `true`, `false` | bool |

**SQLite** (`VPP_STORE__KIND=sqlite`, the default): one file, `store.sqlite` in the data directory. Each table has one
more column, `run` (empty for the unnamed run), in front of its primary key. `schema_version` tells which version of the
program the file belongs to. Open it with any SQLite tool while the plant runs:
`sqlite3 -readonly .vpp/store.sqlite "SELECT slot, net_load_mw FROM telemetry ORDER BY slot DESC LIMIT 5"`.

**InfluxDB 2** (`VPP_STORE__KIND=influx`): a table is a measurement. Every point has the tag `run` (`_` for the unnamed
run) and the tags below; all other columns are fields, left out where missing. Line breaks, backslashes and percent
signs in tags are written as `%XX`. The time of a dead letter is cut to the millisecond, and its nanoseconds are the
offset modulo a million, so letters of the same millisecond stay apart.

**Parquet** (`VPP_STORE__KIND=parquet`): a folder, `store.parquet` in the data directory. A table lies in
`run=RUN/TABLE/day=2022-01-01/zone=GB/`, days in UTC; tables whose key lacks zone or time lie in one folder. Each write
adds a file, and a folder of many files becomes one. A later file wins over an earlier one: where a folder has several,
take the last value of each row and column that is not null, as `vpp` does. In place of a zone's
name that is too long for a folder stands `%%` with a hash; its files have the column `zone`.
Open a table with any Parquet tool: `pandas.read_parquet(".vpp/store.parquet/run=/telemetry")`.
"""


def tables_markdown() -> str:
    """Return the reference as Markdown."""
    return _HEAD + "".join(_section(table) for table in TABLES)


def _section(table: Table) -> str:
    lines = [
        f"\n## {table.name}\n",
        f"{table.doc} Key: {_names(table.key)}. Time: `{table.time}`.\n",
        "| column | type | what |",
        "|---|---|---|",
        *(f"| `{column.name}` | {column.type} | {column.doc} |" for column in table.columns),
    ]
    tags = [column.name for column in tag_columns(table)]
    fields = [column.name for column in field_columns(table)]
    if witness(table) not in fields:
        fields.append(witness(table))
    lines.append(f"\nInfluxDB: tags {_names(tags)}; fields {_names(fields)}.")
    return "\n".join(lines) + "\n"


def _names(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
