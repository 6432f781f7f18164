"""Every YAML file of a user that is no text or no YAML is refused in one line with the next step."""

from pathlib import Path

import pytest

from agents.devices.inventory import load_inventory
from agents.devices.register_map import load_register_map
from vpp.alerting.rules import load_rules
from vpp.errors import ConfigError
from vpp.files.mapping import load_mapping
from vpp.fleet.schema import load_fleet

READERS = (load_fleet, load_mapping, load_rules, load_inventory, load_register_map)
BROKEN = [
    pytest.param("a: ä".encode("utf-16"), "is not UTF-8", "save the file as UTF-8", id="UTF-16"),
    pytest.param("a: Größe".encode("cp1252"), "is not UTF-8", "save the file as UTF-8", id="cp1252"),
    pytest.param(bytes(range(256)), "is not UTF-8", "save the file as UTF-8", id="binary"),
    pytest.param(b"a:\n\tb: 1\n", "line 2", "indent with blanks", id="tab"),
    pytest.param(b"a: {b: 1\n", "is not YAML", "check brackets", id="open bracket"),
    pytest.param(b"a: 1\n---\nb: 1\n", "another document", "check brackets", id="two documents"),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("content", "message", "hint"), BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, reader, content: bytes, message: str, hint: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        reader(str(path) if reader in (load_mapping, load_register_map) else path)
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)
