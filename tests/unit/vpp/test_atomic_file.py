"""A file is replaced whole or stays as it was."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vpp.atomic_file import atomic_writer, write_atomic


def test_text_and_bytes_are_written_and_folders_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_atomic(path, "grün")
    assert path.read_bytes() == "grün".encode()
    write_atomic(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]


def test_an_error_while_writing_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, "before")
    with pytest.raises(TypeError), atomic_writer(path) as stream:
        stream.writelines([b"half", "not bytes"])  # type: ignore[list-item]
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_rights_hold_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    with atomic_writer(path, mode=0o600) as stream:
        part = next(tmp_path.iterdir())
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        stream.write(b"[]")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to], ids=["symlink", "hard link"])
def test_a_link_at_the_place_of_the_part_is_not_written_through(
    make: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    (tmp_path / "other.txt").write_text("of another")
    path = tmp_path / "page.html"
    make(path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part"), tmp_path / "other.txt")
    write_atomic(path, "mine")
    assert path.read_text() == "mine"
    assert not path.is_symlink()
    assert (tmp_path / "other.txt").read_text() == "of another"


def test_writers_at_the_same_time_each_leave_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "shared.txt"
    contents = [letter * 100_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda content: write_atomic(path, content), contents * 3))
    assert path.read_text() in contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["shared.txt"]
