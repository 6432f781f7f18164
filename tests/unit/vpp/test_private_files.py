"""What a run makes is for its own user: folders 0700, files 0600."""

import os
from pathlib import Path

import pytest

from vpp.atomic_file import write_atomic
from vpp.private_files import keep_private


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_folders_and_files_are_closed_to_others(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        folder = tmp_path / "data"
        folder.mkdir(0o755)
        keep_private(folder)
        write_atomic(folder / "new" / "file.json", "{}")
        modes = [path.stat().st_mode & 0o777 for path in (folder, folder / "new", folder / "new" / "file.json")]
        assert [oct(mode) for mode in modes] == ["0o700", "0o700", "0o600"]
        keep_private(tmp_path / "none yet")
    finally:
        os.umask(umask)
