"""The summary of `vpp up` counts what of a file could not be used."""

from console.cli.up import what_was_not_used

NOTHING = {"dead_letter_reasons": {}, "bad_values": {}, "ledger": [], "short_rows": 0}


def test_rows_with_fewer_fields_than_the_header_are_counted():
    assert what_was_not_used(NOTHING) == []
    assert what_was_not_used({**NOTHING, "short_rows": 1200}) == [
        "rows of the file with fewer fields than its header: 1,200 (vpp inspect)"
    ]
