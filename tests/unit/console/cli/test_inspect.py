"""`vpp inspect` says what the plant would read, with rows, and refuses what it could not read."""

import json

import pandas as pd

from console.cli.main import main

HEAD = "timestamp,zone,load_mw,price,remark\n"


def write(folder, bad_row=None, gap=0):
    stamps = pd.date_range("2024-05-01", periods=48, freq="h", tz="UTC")
    rows = [f"{s:%Y-%m-%dT%H:%MZ},ZZ,{50 + i % 24},{30 + i % 7},ok\n" for i, s in enumerate(stamps)]
    if bad_row is not None:
        rows[bad_row - 2] = f"{stamps[bad_row - 2]:%Y-%m-%dT%H:%MZ},ZZ,65535,30,ok\n"
    path = folder / "site.csv"
    path.write_text(HEAD + "".join(rows[:10] + rows[10 + gap :]), encoding="utf-8")
    return path


def test_a_report_names_channels_gaps_suspects_and_what_is_left_out(tmp_path, capsys):
    assert main(["inspect", str(write(tmp_path, bad_row=5, gap=3)), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (zone,) = report["zones"]
    assert (zone["zone"], zone["step_min"], zone["slots"]) == ("ZZ", 60, 45)
    assert [channel["channel"] for channel in zone["channels"]] == ["load_mw", "price_per_mwh"]
    assert [channel["unit"] for channel in zone["channels"]] == ["MW", "currency per MWh"]
    assert zone["channels"][0]["suspects"][0]["row"] == 5
    assert zone["gaps"] == [{"first": "2024-05-01T10:00:00Z", "slots": 3}]
    assert report["ignored"] == {"remark": "text"}


def test_a_report_for_people_says_the_same(tmp_path, capsys):
    assert main(["inspect", str(write(tmp_path, bad_row=5))]) == 0
    printed = capsys.readouterr().out
    assert "suspect: row 5" in printed
    assert "not read: remark (text)" in printed
    assert "2 days are too few (21 needed)" in printed


def test_a_file_that_cannot_be_read_is_refused_with_the_row(tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text('timestamp,zone,load_mw\n2024-05-01T00:00Z,ZZ,"1,234.5"\n', encoding="utf-8")
    assert main(["inspect", str(path)]) == 1
    printed = capsys.readouterr().err
    assert "row 2: load_mw '1,234.5'" in printed
    assert 'thousands: ","' in printed


def test_rows_that_end_early_are_counted_and_named(tmp_path, capsys):
    path = write(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[6] = ",".join(lines[6].split(",")[:3]) + "\n"
    path.write_text("".join(lines), encoding="utf-8")
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["short_rows"] == 1
    assert main(["inspect", str(path)]) == 0
    assert "row 7 has no price, remark" in " ".join(capsys.readouterr().out.split())
