"""A folder of secrets as the kubelet mounts it: files are links into a folder that an update replaces at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_volume(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a Secret volume into a new folder.

    Args:
        folder: The mount.
        files: Text by file name.
    """
    dated = folder / "..2026_01_01_00_00_00.123456789"
    dated.mkdir(parents=True)
    for name, text in files.items():
        (dated / name).write_text(text, encoding="utf-8")
        (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data").symlink_to(dated.name)
