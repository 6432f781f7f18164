"""Each shipped mapping reads a small file in the shape of its source, with no option where the header tells it."""

import gzip

import pytest

from vpp.files.reader import inspect_file, read_frame

SMARD = (
    "Datum von;Datum bis;Netzlast [MWh] Originalauflösungen;Photovoltaik [MWh] Originalauflösungen;"
    "Wind Onshore [MWh] Originalauflösungen\n"
    "27.10.2024 01:45;27.10.2024 02:00;9.832,75;0;1.200,5\n"
    "27.10.2024 02:00;27.10.2024 02:15;9.801,5;0;-\n"
    "27.10.2024 02:15;27.10.2024 02:30;9.790;0;1.190\n"
)
SMARD_EN = (
    "Start date;End date;grid load [MWh] Calculated resolutions;Photovoltaics [MWh] Calculated resolutions\n"
    "Jan 1, 2024 12:00 AM;Jan 1, 2024 1:00 AM;38,110.25;0.00\n"
    "Jan 1, 2024 1:00 AM;Jan 1, 2024 2:00 AM;37,000.00;0.00\n"
)
ENTSOE_LOAD = (
    '"Time (UTC)","Day-ahead Total Load Forecast [MW] - BZN|DE-LU","Actual Total Load [MW] - BZN|DE-LU"\n'
    '"01.01.2024 00:00 - 01.01.2024 00:15","42000","41000"\n"01.01.2024 00:15 - 01.01.2024 00:30","41900","n/e"\n'
)
ENTSOE_AREA = (
    '"MTU (UTC)","Area","Actual Total Load (MW)","Day-ahead Total Load Forecast (MW)"\n'
    '"01/01/2024 00:00 - 01/01/2024 01:00","BZN|FR","50000","51000"\n'
    '"01/01/2024 01:00 - 01/01/2024 02:00","BZN|FR","49000","n/e"\n'
)
ENTSOE_PRICES = (
    '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|DE-LU"\n'
    '"31.03.2024 01:00 - 31.03.2024 02:00","50.1","EUR",""\n'
    '"31.03.2024 02:00 - 31.03.2024 03:00","","EUR",""\n'
    '"31.03.2024 03:00 - 31.03.2024 04:00","40.2","EUR",""\n'
)
NESO = "SETTLEMENT_DATE,SETTLEMENT_PERIOD,ND,TSD,EMBEDDED_WIND_GENERATION,EMBEDDED_SOLAR_GENERATION\n" + "".join(
    f"27-OCT-2024,{period},{20000 + period},21000,1000,{period}\n" for period in range(1, 51)
)
AEMO = (
    "REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE\n"
    "NSW1,2024/01/01 00:05:00,7000.1,50.5,TRADE\nNSW1,2024/01/01 00:10:00,6990,-12.5,TRADE\n"
)
NEMWEB = (
    "C,NEMP.WORLD,DISPATCHIS,AEMO,PUBLIC,2024/01/01,00:00:05\n"
    "I,DISPATCH,PRICE,5,SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,RRP\n"
    'D,DISPATCH,PRICE,5,"2024/01/01 00:05:00",1,NSW1,20240101001,0,50.5\n'
    'D,DISPATCH,PRICE,5,"2024/01/01 00:05:00",1,VIC1,20240101001,0,-12\n'
    "I,DISPATCH,REGIONSUM,8,SETTLEMENTDATE,RUNNO,REGIONID,DISPATCHINTERVAL,INTERVENTION,TOTALDEMAND\n"
    'D,DISPATCH,REGIONSUM,8,"2024/01/01 00:05:00",1,NSW1,20240101001,0,7000.1\n'
    'D,DISPATCH,REGIONSUM,8,"2024/01/01 00:05:00",1,VIC1,20240101001,0,4500\n'
    "C,END OF REPORT,8\n"
)
CAISO_LMP = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE,MARKET_RUN_ID,LMP_TYPE,XML_DATA_ITEM,MW,GROUP\n"
    "2024-01-01T08:00:00-00:00,2024-01-01T09:00:00-00:00,2024-01-01,1,TH_NP15,DAM,LMP,LMP_PRC,41.5,1\n"
    "2024-01-01T09:00:00-00:00,2024-01-01T10:00:00-00:00,2024-01-01,2,TH_NP15,DAM,LMP,LMP_PRC,40.5,1\n"
    "2024-01-01T08:00:00-00:00,2024-01-01T09:00:00-00:00,2024-01-01,1,TH_NP15,DAM,MCC,LMP_CONG_PRC,1.5,2\n"
    "2024-01-01T09:00:00-00:00,2024-01-01T10:00:00-00:00,2024-01-01,2,TH_NP15,DAM,MCC,LMP_CONG_PRC,0.5,2\n"
)
CAISO_LOAD = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,LOAD_TYPE,MARKET_RUN_ID,TAC_AREA_NAME,LABEL,XML_DATA_ITEM,POS,MW\n"
    "2024-01-01T08:00:00-00:00,2024-01-01T09:00:00-00:00,0,ACTUAL,CA ISO-TAC,Total,SYS_FCST_ACT_MW,3.8,21000\n"
    "2024-01-01T09:00:00-00:00,2024-01-01T10:00:00-00:00,0,ACTUAL,CA ISO-TAC,Total,SYS_FCST_ACT_MW,3.8,20500\n"
)
ERCOT_PRICES = "DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag\n" + "".join(
    f"11/03/2024,{hour},HB_NORTH,{price},{flag}\n"
    for hour, price, flag in [
        ("01:00", 20, "N"),
        ("02:00", 21, "N"),
        ("02:00", 22, "Y"),
        ("03:00", 23, "N"),
        ("24:00", 44, "N"),
    ]
)
ERCOT_LOAD = (
    "Hour Ending,COAST,EAST,ERCOT\n"
    '01/01/2024 01:00,"11,000.5",1500,"42,000.75"\n01/01/2024 02:00,"10,900.5",1490,"41,500.25"\n'
)
GRIDSTATUS = (
    "Time,Interval Start,Interval End,Load\n"
    "2024-01-01 00:00:00-06:00,2024-01-01 00:00:00-06:00,2024-01-01 00:05:00-06:00,45000.5\n"
    "2024-01-01 00:05:00-06:00,2024-01-01 00:05:00-06:00,2024-01-01 00:10:00-06:00,45010\n"
)
OPSD = (
    "utc_timestamp,cet_cest_timestamp,AT_load_actual_entsoe_transparency,DE_load_actual_entsoe_transparency,"
    "DE_solar_generation_actual,DE_wind_generation_actual\n"
    "2015-01-01T00:00:00Z,2015-01-01T01:00:00+0100,5946.0,41151.0,,8852.0\n"
    "2015-01-01T01:00:00Z,2015-01-01T02:00:00+0100,5726.0,40135.0,0.5,9054.0\n"
)

CASES = {
    "smard": (SMARD, None, "DE_LU", "2024-10-26T23:45Z", 15, {"load_mw": 39331.0, "wind_mw": 4802.0}),
    "smard_en": (SMARD_EN, None, "DE_LU", "2023-12-31T23:00Z", 60, {"load_mw": 38110.25, "solar_mw": 0.0}),
    "entsoe_load": (
        ENTSOE_LOAD,
        None,
        "DE-LU",
        "2024-01-01T00:00Z",
        15,
        {"load_mw": 41000.0, "load_forecast_da_mw": 42000.0},
    ),
    "entsoe_load_area": (ENTSOE_AREA, None, "BZN|FR", "2024-01-01T00:00Z", 60, {"load_mw": 50000.0}),
    "entsoe_prices": (ENTSOE_PRICES, None, "DE_LU", "2024-03-31T00:00Z", 60, {"price_per_mwh": 50.1}),
    "neso_demand": (NESO, None, "GB", "2024-10-26T23:00Z", 30, {"load_mw": 21002.0, "solar_mw": 1.0}),
    "aemo_price_and_demand": (AEMO, None, "NSW1", "2023-12-31T14:00Z", 5, {"load_mw": 7000.1, "price_per_mwh": 50.5}),
    "nemweb_dispatch": (
        NEMWEB,
        "nemweb_dispatch",
        "NSW1",
        "2023-12-31T14:00Z",
        5,
        {"load_mw": 7000.1, "price_per_mwh": 50.5},
    ),
    "caiso_oasis_lmp": (CAISO_LMP, None, "TH_NP15", "2024-01-01T08:00Z", 60, {"price_per_mwh": 41.5}),
    "caiso_oasis_load": (CAISO_LOAD, None, "CA ISO-TAC", "2024-01-01T08:00Z", 60, {"load_mw": 21000.0}),
    "ercot_prices": (ERCOT_PRICES, None, "HB_NORTH", "2024-11-03T05:00Z", 60, {"price_per_mwh": 20.0}),
    "ercot_load": (ERCOT_LOAD, None, "ERCOT", "2024-01-01T06:00Z", 60, {"load_mw": 42000.75}),
    "gridstatus": (GRIDSTATUS, None, "GRIDSTATUS", "2024-01-01T06:00Z", 5, {"load_mw": 45000.5}),
    "opsd": (OPSD, None, "DE", "2015-01-01T00:00Z", 60, {"load_mw": 41151.0, "wind_mw": 8852.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_in_the_shape_of_its_source_is_read(tmp_path, name):
    text, mapping, zone, first, step_min, values = CASES[name]
    path = tmp_path / f"{name}.csv.gz"
    path.write_bytes(gzip.compress(text.encode("utf-8-sig")))
    info = inspect_file(path, mapping)
    assert zone in info.zones
    assert info.spans[zone].step_min == step_min
    frame = read_frame(path, zone, mapping=mapping, info=info)
    assert f"{frame.index[0]:%Y-%m-%dT%H:%MZ}" == first
    assert {channel: frame[channel].iloc[0] for channel in values} == pytest.approx(values)


def test_periods_of_a_long_day_follow_the_clock(tmp_path):
    path = tmp_path / "neso.csv"
    path.write_text(NESO, encoding="utf-8")
    frame = read_frame(path, "GB")
    assert len(frame) == 50
    assert frame["solar_mw"].tolist() == [float(period) for period in range(1, 51)]


def test_an_hour_ending_that_comes_twice_is_distinguished(tmp_path):
    path = tmp_path / "ercot.csv"
    path.write_text(ERCOT_PRICES, encoding="utf-8")
    prices = read_frame(path, "HB_NORTH")["price_per_mwh"].dropna()
    assert [f"{slot:%H}" for slot in prices.index] == ["05", "06", "07", "08", "05"]
    assert prices.tolist() == [20.0, 21.0, 22.0, 23.0, 44.0]
