"""A folder of Parquet files as one table, such as the telemetry of a Parquet store (`vpp.store.parquet`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vpp.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds


def files_of(folder: Path) -> list[Path]:
    """Return the Parquet files below a folder, in the order of their names."""
    return sorted(folder.rglob("*.parquet"))


def size_and_change(path: Path) -> tuple[int, int]:
    """Return the bytes of a file, or of the Parquet files of a folder, and its last change (ns since 1970).

    Raises:
        OSError: It is not there.
    """
    stats = [file.stat() for file in (files_of(path) if path.is_dir() else [path])]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def names_of(folder: Path) -> list[str]:
    """Return the names of the columns, those that folders are named by (``zone=GB``) included."""
    return list(_dataset(folder).schema.names)


def read_folder(folder: Path, columns: Sequence[str]) -> pa.Table:
    """Return the rows of all files, in the order of the files' names.

    Args:
        folder: The folder.
        columns: Columns wanted.

    Raises:
        DataError: A file cannot be read.
    """
    try:
        return _dataset(folder).to_table(columns=list(columns))
    except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
        raise DataError(f"cannot read {folder}: {error}", hint="if a plant writes to it, try again") from error


def _dataset(folder: Path) -> ds.Dataset:
    import pyarrow as pa  # loaded only for Parquet files
    import pyarrow.dataset as ds

    files = files_of(folder)
    keys = [part.partition("=")[0] for part in files[0].relative_to(folder).parts if "=" in part]
    partitioning = ds.partitioning(pa.schema([(key, pa.string()) for key in keys]), flavor="hive")
    names = [str(file) for file in files]
    return ds.dataset(names, format="parquet", partitioning=partitioning, partition_base_dir=str(folder))
