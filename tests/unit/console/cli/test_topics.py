"""`vpp topics tail` orders records of all partitions as the broker took them."""

from __future__ import annotations

from console.cli.topics import in_broker_order


def test_the_last_records_are_the_last_of_all_partitions() -> None:
    records = [
        {"timestamp": at, "partition": partition, "offset": offset}
        for partition, times in enumerate(([1, 5, 5, 9], [2, 6], [], [9, 9]))
        for offset, at in enumerate(times)
    ]
    last = in_broker_order(records)[-4:]
    assert [(r["timestamp"], r["partition"], r["offset"]) for r in last] == [(6, 1, 1), (9, 0, 3), (9, 3, 0), (9, 3, 1)]
