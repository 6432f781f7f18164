"""What goes over the wire to InfluxDB and what comes back, as literal text."""

import pytest

from tests.worlds.store_rows import T0, forecast, slot, telemetry
from vpp.errors import DataError
from vpp.store import influx_flux
from vpp.store.influx_line_protocol import line_encoder, record_decoder, records, tag_columns
from vpp.store.query import Query
from vpp.store.tables import ALERTS, DLQ, ENDS, FORECASTS, TABLES, TELEMETRY


def test_a_forecast() -> None:
    assert list(line_encoder(FORECASTS, "")([forecast(0, 30, 100.0)])) == [
        (
            "forecasts,horizon_min=30,run=_,target=net_load,zone=GB "
            'q05=70.0,q10=80.0,q25=90.0,q50=100.0,q75=110.0,q90=120.0,q95=130.0,source="model",model_id="a1b2" '
            "1640995200000000000"
        )
    ]


def test_missing_fields_are_left_out() -> None:
    row = ("GB", T0, None, float("nan"), float("inf"), 1e-7, -0.0, None, None, None, 2)
    assert list(line_encoder(TELEMETRY, "r1")([row])) == [
        "telemetry,run=r1,zone=GB net_load_mw=1e-07,price_per_mwh=0.0,revision=2i 1640995200000000000"
    ]


def test_escapes() -> None:
    row = ("a, b=c\n%", T0, "x\\", "info", "t", 'say "hi" \\ there', None, *[None] * 6)
    assert list(line_encoder(ALERTS, "")([row])) == [
        (
            'alerts,alert_id=x%5C,run=_,zone=a\\,\\ b\\=c%0A%25 severity="info",topic="t",'
            'text="say \\"hi\\" \\\\ there" 1640995200000000000'
        )
    ]


def test_the_offset_of_a_dead_letter_is_in_its_nanoseconds() -> None:
    rows = [("GB", T0, "bids", 3, offset, "schema", "why", "e30=") for offset in (7, 1_000_008)]
    assert [line.split()[-1] for line in line_encoder(DLQ, "")(rows)] == ["1640995200000000007", "1640995200000000008"]


def test_an_end_without_a_last_slot_still_is_a_point() -> None:
    assert list(line_encoder(ENDS, "")([("GB", T0, "bids", "actor", None)])) == [
        "ends,producer=actor,run=_,topic=bids,zone=GB seen=true 1640995200000000000"
    ]


def test_a_row_that_could_not_be_found_again_is_refused() -> None:
    with pytest.raises(DataError, match="needs revision"):
        list(line_encoder(TELEMETRY, "")([(*telemetry(0, 1.0)[:-1], None)]))


def test_answers_come_in_blocks_of_their_own_columns() -> None:
    answer = (
        ",result,table,_time,horizon_min,q50,target,zone\r\n"
        ",_result,0,2022-01-01T00:00:00Z,30,1.5,price,GB\r\n"
        "\r\n"
        ",result,table,_time,horizon_min,q50,source,target,zone\r\n"
        ',_result,1,2022-01-01T00:30:00.000000007Z,60,,"a ""b""\r\nc",price,a%0Ab\r\n'
        "\r\n"
    )
    names = ("zone", "issued_at", "horizon_min", "q50", "source")
    columns = [column for name in names for column in FORECASTS.columns if column.name == name]
    assert list(map(record_decoder(FORECASTS, columns), records(answer))) == [
        ("GB", slot(0), 30, 1.5, None),
        ("a\nb", slot(1), 60, None, 'a "b"\nc'),
    ]


def test_an_answer_that_breaks_off_is_an_error() -> None:
    with pytest.raises(DataError, match="out of memory"):
        list(records(",error,reference\r\n,out of memory,897\r\n"))


def test_every_table_has_few_tags_and_they_are_sorted() -> None:
    for table in TABLES:
        names = [column.name for column in tag_columns(table)]
        assert names == sorted(names)
        assert "offset" not in names
        assert len(names) <= 4


class TestFlux:
    def test_values_are_literals_and_never_code(self) -> None:
        assert influx_flux.literal('a" or true ${r._value} \\ \n') == '"a\\" or true \\${r._value} \\\\ \\n"'
        assert (influx_flux.literal(True), influx_flux.literal(3), influx_flux.literal(1e-7)) == (
            "true",
            "3",
            'float(v: "1e-07")',
        )
        assert influx_flux.literal(T0) == "2022-01-01T00:00:00.000000Z"

    def test_a_query(self) -> None:
        columns = {column.name: column for column in FORECASTS.columns}
        query = Query(
            table=FORECASTS,
            run="",
            zones=("GB", 'N"1'),
            start=slot(0),
            end=slot(2),
            filters=((columns["horizon_min"], (30, 60)), (columns["source"], ("model",))),
            columns=(columns["zone"], columns["q05"]),
        )
        assert influx_flux.pivoted("b", query) == (
            'from(bucket: "b") |> range(start: 2022-01-01T00:00:00.000000Z, stop: 2022-01-01T01:00:00.000000Z)'
            ' |> filter(fn: (r) => r._measurement == "forecasts" and r.run == "_"'
            ' and (r["zone"] == "GB" or r["zone"] == "N\\"1")'
            ' and (r["horizon_min"] == "30" or r["horizon_min"] == "60")'
            ' and (r["_field"] == "q05" or r["_field"] == "q50" or r["_field"] == "source"))'
            ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
            ' |> filter(fn: (r) => (r["source"] == "model"))'
            ' |> drop(columns: ["_start", "_stop", "_measurement", "run"])'
        )
