"""What commands print holds texts of devices and agents: none of them commands the terminal or is taken for markup."""

import json

import pytest

from console.cli.options import answer, err, out, pairs, say, table

EVIL = "soc\x1b[2J\x9b2J\x07\u202e [bold]low[/nothing] :warning:"
SHOWN = "soc [2J 2J [bold]low[/nothing] :warning:"


def test_every_way_to_print(capfd: pytest.CaptureFixture[str]) -> None:
    table(EVIL, [EVIL], [[EVIL]])
    pairs({EVIL: EVIL})
    say(EVIL)
    out.print(EVIL, soft_wrap=True)
    err.print(f"a\n{EVIL}", soft_wrap=True)
    answer(EVIL, as_json=False, render=out.print)
    shown = "".join(capfd.readouterr())
    assert all(line.isprintable() for line in shown.splitlines())
    assert shown.count(SHOWN) == 9
    assert "a\nsoc" in shown


def test_json_keeps_the_text_as_escapes(capfd: pytest.CaptureFixture[str]) -> None:
    answer({EVIL: EVIL}, as_json=True, render=out.print)
    line = capfd.readouterr().out.rstrip("\n")
    assert line.isprintable()
    assert json.loads(line) == {EVIL: EVIL}
