"""Each shipped mapping reads a small file in the shape of its source, with no option where the header tells it."""

import gzip

import pandas as pd
import pytest
import yaml

from vpp.errors import ConfigError, DataError
from vpp.files.guessing import Choices, guess_mapping
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, iter_chunks, read_frame
from vpp.fleet.lookup import known_facts

SMARD = (
    "Datum von;Datum bis;Netzlast [MWh] Originalauflösungen;Photovoltaik [MWh] Originalauflösungen;"
    "Wind Offshore [MWh] Originalauflösungen;Wind Onshore [MWh] Originalauflösungen\n"
    "27.10.2024 01:45;27.10.2024 02:00;9.832,75;0;200;1.000,5\n"
    "27.10.2024 02:00;27.10.2024 02:15;9.801,5;0;200;-\n"
    "27.10.2024 02:15;27.10.2024 02:30;9.790;0;190;1.000\n"
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
ENTSOE_CET = ENTSOE_AREA.replace("UTC", "CET/CEST")
ENTSOE_PRICES = (
    '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|NO1"\n'
    '"31.03.2024 01:00 - 31.03.2024 02:00","50.1","EUR",""\n'
    '"31.03.2024 02:00 - 31.03.2024 03:00","","EUR",""\n'
    '"31.03.2024 03:00 - 31.03.2024 04:00","40.2","EUR",""\n'
)
ENTSOE_PRICES_AREA = (
    '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Price (EUR/MWh)"\n'
    '"30/03/2025 01:00:00 (CET) - 30/03/2025 03:00:00 (CEST)","BZN|FR","Sequence 1","50.1",""\n'
    '"30/03/2025 03:00:00 (CEST) - 30/03/2025 04:00:00 (CEST)","BZN|FR","Sequence 1","40.2",""\n'
)
ENTSOE_GENERATION = (
    '"Area","MTU","Solar  - Actual Aggregated [MW]","Wind Offshore  - Actual Aggregated [MW]",'
    '"Wind Onshore  - Actual Aggregated [MW]"\n'
    '"DE_LU","01.01.2024 00:00 - 01.01.2024 00:15 (UTC)","0","500","2000"\n'
    '"DE_LU","01.01.2024 00:15 - 01.01.2024 00:30 (UTC)","0","510","2010"\n'
)
ENTSOE_GENERATION_LONG = '"MTU (UTC)","Area","Production Type","Generation (MW)"\n' + "".join(
    f'"01/01/2024 {hour:02}:00:00 - 01/01/2024 {hour + 1:02}:00:00","BZN|FR","{kind}","{value + hour}"\n'
    for hour in (0, 1)
    for kind, value in (("Solar", 0), ("Wind Offshore", 500), ("Wind Onshore", 2000), ("Nuclear", 9000))
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
CAISO_RTM = (
    "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,NODE,MARKET_RUN_ID,LMP_TYPE,XML_DATA_ITEM,POS,VALUE,GROUP\n"
    "2024-01-01T08:00:00-00:00,2024-01-01T08:05:00-00:00,TH_NP15,RTM,LMP,LMP_PRC,0,41.5,1\n"
    "2024-01-01T08:05:00-00:00,2024-01-01T08:10:00-00:00,TH_NP15,RTM,LMP,LMP_PRC,0,40.5,1\n"
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
GRIDSTATUS_PRICES = "interval_start_utc,interval_end_utc,market,location,lmp,energy\n" + "".join(
    f"2024-01-01T0{hour}:00:00+00:00,2024-01-01T0{hour + 1}:00:00+00:00,DAY_AHEAD,{place},{price + hour},39\n"
    for hour in (0, 1)
    for place, price in (("NP15", 40), ("SP15", 50))
)
ERCOT_DST = "Hour_Ending,COAST,ERCOT\n" + "".join(
    f"11/05/2023 {at},11000,{40000 + i}\n" for i, at in enumerate(("01:00", "02:00", "02:00 DST", "03:00"))
)
OPSD_ONSHORE = (
    "utc_timestamp,cet_cest_timestamp,AT_load_actual_entsoe_transparency,AT_wind_onshore_generation_actual\n"
    "2015-01-01T00:00:00Z,2015-01-01T01:00:00+0100,5946.0,900\n"
    "2015-01-01T01:00:00Z,2015-01-01T02:00:00+0100,5726.0,910\n"
)
OPSD = (
    "utc_timestamp,cet_cest_timestamp,AT_load_actual_entsoe_transparency,DE_load_actual_entsoe_transparency,"
    "DE_solar_generation_actual,DE_wind_generation_actual\n"
    "2015-01-01T00:00:00Z,2015-01-01T01:00:00+0100,5946.0,41151.0,,8852.0\n"
    "2015-01-01T01:00:00Z,2015-01-01T02:00:00+0100,5726.0,40135.0,0.5,9054.0\n"
)

ERCOT_RTM = (
    "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice,DSTFlag\n"
) + "".join(
    f"11/03/2024,{hour},{part},{place},{kind},{price},{flag}\n"
    for hour, flag in ((1, "N"), (2, "N"), (2, "Y"), (24, "N"))
    for part in (1, 2, 3, 4)
    for place, kind, price in (("HB_NORTH", "HU", 20 + hour), ("LZ_WEST", "LZ", 30 + part), ("LZ_WEST", "LZEW", 99))
)
ERCOT_RTM_SHEET = (
    "Delivery Date,Delivery Hour,Delivery Interval,Repeated Hour Flag,Settlement Point Name,Settlement Point Type,"
    "Settlement Point Price\n"
    "01/01/2024,1,1,N,HB_HUBAVG,AH,21.5\n01/01/2024,1,2,N,HB_HUBAVG,AH,22\n"
)
ERCOT_ACTUAL = (
    "OperDay,HourEnding,NORTH,SOUTH,WEST,HOUSTON,TOTAL,DSTFlag\n"
    "01/01/2024,01:00,13000.1,9000,5000,12000,39000.1,N\n01/01/2024,02:00,12900,9000,5000,12000,38900,N\n"
)
OUTLOOK = "Time,Day ahead forecast,Hour ahead forecast,Current demand,Demand response\n" + "".join(
    f"{at},28618,27050,{demand},\n" for at, demand in (("23:50", 26956), ("23:55", 27121), ("00:00", ""))
)
OUTLOOK_PAGE = (
    '"Demand 01/31/2024","00:00","00:05","23:55","00:00"\n"Day-ahead forecast",28618,26794,25000,25100\n'
    '"Hour-ahead forecast",27050,27051,25000,25100\n"Demand",26956,27121,,\n'
)
OUTLOOK_SUPPLY = (
    "Time,Solar,Wind,Geothermal,Biomass,Large Hydro,Batteries,Imports\n"
    "00:00,-64,3421,800,300,2390,9701,2026\n00:05,-65,3423,800,300,2391,9700,2030\n"
)
SMARD_AHEAD = (
    "Datum von;Datum bis;Gesamt [MWh] Originalauflösungen;Photovoltaik und Wind [MWh] Originalauflösungen;"
    "Wind Offshore [MWh] Originalauflösungen;Wind Onshore [MWh] Originalauflösungen;"
    "Photovoltaik [MWh] Originalauflösungen;Sonstige [MWh] Originalauflösungen\n"
    "01.01.2024 00:00;01.01.2024 01:00;50.100;30.000;6.000;24.000;0;20.100\n"
    "01.01.2024 01:00;01.01.2024 02:00;50.200;30.100;6.100;24.000;0;20.100\n"
)
SMARD_EN_AHEAD = (
    "Start date;End date;Total [MWh] Calculated resolutions;Wind onshore [MWh] Calculated resolutions;"
    "Photovoltaics [MWh] Calculated resolutions\n"
    "Jan 1, 2024 12:00 AM;Jan 1, 2024 1:00 AM;38,110.25;24,000.5;0.00\n"
    "Jan 1, 2024 1:00 AM;Jan 1, 2024 2:00 AM;37,000.00;23,000.5;0.00\n"
)
SMARD_LOAD_AHEAD = SMARD[: SMARD.index(";Photovoltaik")] + (
    ";Residuallast [MWh] Originalauflösungen\n27.10.2024 01:45;27.10.2024 02:00;9.832,75;8.000\n"
    "27.10.2024 02:00;27.10.2024 02:15;9.801,5;8.000\n"
)

CASES = {
    "smard": (SMARD, None, "DE_LU", "2024-10-26T23:45Z", 15, {"load_mw": 39331.0, "wind_mw": 4802.0}),
    "smard lower case": (
        SMARD.replace("Netzlast", "netzlast").replace("Wind On", "Wind on"),
        None,
        "DE_LU",
        "2024-10-26T23:45Z",
        15,
        {"load_mw": 39331.0, "wind_mw": 4802.0},
    ),
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
    "entsoe_load_area local": (ENTSOE_CET, None, "BZN|FR", "2023-12-31T23:00Z", 60, {"load_mw": 50000.0}),
    "entsoe_prices_area": (ENTSOE_PRICES_AREA, None, "BZN|FR", "2025-03-30T00:00Z", 60, {"price_per_mwh": 50.1}),
    "entsoe_generation": (
        ENTSOE_GENERATION,
        None,
        "DE_LU",
        "2024-01-01T00:00Z",
        15,
        {"wind_mw": 2500.0, "solar_mw": 0.0},
    ),
    "entsoe_generation_long": (
        ENTSOE_GENERATION_LONG,
        None,
        "BZN|FR",
        "2024-01-01T00:00Z",
        60,
        {"wind_mw": 2500.0, "solar_mw": 0.0},
    ),
    "entsoe_prices": (ENTSOE_PRICES, None, "NO1", "2024-03-31T00:00Z", 60, {"price_per_mwh": 50.1}),
    "neso_demand": (NESO, None, "GB", "2024-10-26T23:00Z", 30, {"load_mw": 21002.0, "solar_mw": 1.0}),
    "aemo_price_and_demand": (AEMO, None, "NSW1", "2023-12-31T14:00Z", 5, {"load_mw": 7000.1, "price_per_mwh": 50.5}),
    "nemweb_dispatch": (
        NEMWEB,
        None,
        "NSW1",
        "2023-12-31T14:00Z",
        5,
        {"load_mw": 7000.1, "price_per_mwh": 50.5},
    ),
    "caiso_oasis_lmp": (CAISO_LMP, None, "TH_NP15", "2024-01-01T08:00Z", 60, {"price_per_mwh": 41.5}),
    "caiso_oasis_lmp real time": (CAISO_RTM, None, "TH_NP15", "2024-01-01T08:00Z", 5, {"price_per_mwh": 41.5}),
    "caiso_oasis_load": (CAISO_LOAD, None, "CA ISO-TAC", "2024-01-01T08:00Z", 60, {"load_mw": 21000.0}),
    "ercot_prices": (ERCOT_PRICES, None, "HB_NORTH", "2024-11-03T05:00Z", 60, {"price_per_mwh": 20.0}),
    "ercot_load": (ERCOT_LOAD, None, "ERCOT", "2024-01-01T06:00Z", 60, {"load_mw": 42000.75}),
    "gridstatus": (GRIDSTATUS, None, "GRIDSTATUS", "2024-01-01T06:00Z", 5, {"load_mw": 45000.5}),
    "gridstatus_prices": (GRIDSTATUS_PRICES, None, "SP15", "2024-01-01T00:00Z", 60, {"price_per_mwh": 50.0}),
    "ercot_load clock": (ERCOT_DST, None, "ERCOT", "2023-11-05T05:00Z", 60, {"load_mw": 40000.0}),
    "ercot_prices_real_time": (ERCOT_RTM, None, "HB_NORTH", "2024-11-03T05:00Z", 15, {"price_per_mwh": 21.0}),
    "ercot_prices_real_time zone": (ERCOT_RTM, None, "LZ_WEST", "2024-11-03T05:00Z", 15, {"price_per_mwh": 31.0}),
    "ercot_prices_real_time_history": (
        ERCOT_RTM_SHEET,
        None,
        "HB_HUBAVG",
        "2024-01-01T06:00Z",
        15,
        {"price_per_mwh": 21.5},
    ),
    "ercot_load_actual": (ERCOT_ACTUAL, None, "ERCOT", "2024-01-01T06:00Z", 60, {"load_mw": 39000.1}),
    "caiso_outlook_demand 20240131": (OUTLOOK, None, "CAISO", "2024-02-01T07:50Z", 5, {"load_mw": 26956.0}),
    "caiso_outlook_demand page": (
        OUTLOOK_PAGE,
        None,
        "CAISO",
        "2024-01-31T08:00Z",
        5,
        {"load_mw": 26956.0, "load_forecast_da_mw": 28618.0},
    ),
    "caiso_outlook_supply 2024-07-31": (
        OUTLOOK_SUPPLY,
        None,
        "CAISO",
        "2024-07-31T07:00Z",
        5,
        {"solar_mw": -64.0, "wind_mw": 3421.0},
    ),
    "smard_forecast": (
        SMARD_AHEAD,
        None,
        "DE_LU",
        "2023-12-31T23:00Z",
        60,
        {"wind_forecast_da_mw": 30000.0, "solar_forecast_da_mw": 0.0},
    ),
    "Prognostizierter_Verbrauch_2024": (
        SMARD_LOAD_AHEAD,
        None,
        "DE_LU",
        "2024-10-26T23:45Z",
        15,
        {"load_forecast_da_mw": 39331.0},
    ),
    "smard_en_forecast": (
        SMARD_EN_AHEAD,
        None,
        "DE_LU",
        "2023-12-31T23:00Z",
        60,
        {"wind_forecast_da_mw": 24000.5},
    ),
    "opsd on land": (OPSD_ONSHORE, None, "AT", "2015-01-01T00:00Z", 60, {"wind_mw": 900.0}),
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


def test_a_forecast_is_distinguished_from_what_was_realised(tmp_path):
    header = SMARD_AHEAD.partition("\n")[0]
    assert "load_mw" not in inspect_file(written(tmp_path, "ahead.csv", SMARD_AHEAD)).columns
    assert "wind_mw" not in inspect_file(written(tmp_path, "ahead.csv", SMARD_AHEAD)).columns
    realised = header.replace("Gesamt", "Biomasse").replace("Photovoltaik und Wind", "Braunkohle")
    actual = SMARD_AHEAD.replace(header, realised.replace("Sonstige", "Sonstige Konventionelle"))
    info = inspect_file(written(tmp_path, "actual.csv", actual))
    assert {"wind_mw", "solar_mw"} == set(info.columns)
    assert info.warnings == ()


def test_a_forecast_of_the_day_itself_is_no_forecast_of_the_day_before(tmp_path):
    path = written(tmp_path, "Prognostizierte_Erzeugung_Intraday_202401010000.csv", SMARD_AHEAD)
    with pytest.raises(ConfigError, match="'Intraday'") as caught:
        inspect_file(path)
    assert "--mapping smard_forecast" in str(caught.value.hint)
    assert "wind_forecast_da_mw" in inspect_file(path, "smard_forecast").columns


def test_columns_that_a_forecast_has_too_are_pointed_out(tmp_path):
    info = inspect_file(written(tmp_path, "download.csv", SMARD))
    assert "load_mw" in info.columns
    assert "--mapping smard_forecast" in info.warnings[0]
    assert inspect_file(written(tmp_path, "Realisierte_Erzeugung_2024.csv", SMARD)).warnings == ()
    assert inspect_file(written(tmp_path, "download.csv", SMARD), "smard").warnings == ()


def test_quarters_of_the_hour_that_comes_twice_follow_one_another(tmp_path):
    prices = read_frame(written(tmp_path, "rtm.csv", ERCOT_RTM), "LZ_WEST")["price_per_mwh"].dropna()
    assert [f"{slot:%H:%M}" for slot in prices.index] == [
        *(f"{hour:02}:{minute:02}" for hour in (5, 6, 7) for minute in (0, 15, 30, 45)),
        *(f"05:{minute:02}" for minute in (0, 15, 30, 45)),
    ]
    assert prices.max() == 34.0, "what is weighted by energy is another quantity"


@pytest.mark.parametrize("part", ["5", "0", "1.5", ""])
def test_a_part_that_an_hour_does_not_have_is_refused(tmp_path, part):
    rows = ERCOT_RTM_SHEET.replace("01/01/2024,1,2,N", f"01/01/2024,1,{part},N")
    with pytest.raises(DataError, match=r"row 3: Delivery Date '01/01/2024 1:\?' is not a time"):
        inspect_file(written(tmp_path, "sheet.csv", rows))


def test_dates_of_parquet_are_joined_with_their_clock(tmp_path):
    cells = pd.read_csv(written(tmp_path, "actual.csv", ERCOT_ACTUAL), parse_dates=["OperDay"])
    cells.to_parquet(tmp_path / "actual.parquet")
    as_text, as_dates = (read_frame(tmp_path / name, "ERCOT") for name in ("actual.csv", "actual.parquet"))
    pd.testing.assert_frame_equal(as_dates, as_text)


def test_times_of_day_need_a_day_in_the_name_of_the_file(tmp_path):
    with pytest.raises(DataError, match="without a date") as caught:
        inspect_file(written(tmp_path, "demand.csv", OUTLOOK))
    assert "20240131" in str(caught.value.hint)


def test_columns_of_the_hour_that_comes_twice_follow_one_another(tmp_path):
    clocks = [f"{hour:02}:{minute:02}" for hour in (0, 1, 1, 2) for minute in range(0, 60, 5)]
    head = ",".join(f'"{name}"' for name in ("Demand 11/03/2024", *clocks, "00:00"))
    rows = [f'"{name}",{",".join(map(str, range(48)))},' for name in ("Hour-ahead forecast", "Demand")]
    load = read_frame(written(tmp_path, "page.csv", "\n".join((head, *rows)) + "\n"), "CAISO")["load_mw"]
    assert load.tolist() == list(range(48))
    assert (load.index[0], load.index[-1]) == (pd.Timestamp("2024-11-03T07:00Z"), pd.Timestamp("2024-11-03T10:55Z"))


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_an_hour_ending_that_comes_twice_is_distinguished(tmp_path):
    path = tmp_path / "ercot.csv"
    path.write_text(ERCOT_PRICES, encoding="utf-8")
    prices = read_frame(path, "HB_NORTH")["price_per_mwh"].dropna()
    assert [f"{slot:%H}" for slot in prices.index] == ["05", "06", "07", "08", "05"]
    assert prices.tolist() == [20.0, 21.0, 22.0, 23.0, 44.0]


@pytest.mark.parametrize("name", CASES)
def test_init_starts_from_the_shipped_mapping(tmp_path, name):
    text, _, zone, first, step_min, values = CASES[name]
    path = tmp_path / f"{name}.csv"
    path.write_text(text, encoding="utf-8")
    content = guess_mapping(path, Choices(default_zone="HOME"))
    mapping = parse_mapping(yaml.safe_dump(content, allow_unicode=True), "guess")
    info = inspect_file(path, mapping)
    frame = read_frame(path, zone, mapping=mapping, info=info)
    assert info.spans[zone].step_min == step_min
    assert f"{frame.index[0]:%Y-%m-%dT%H:%MZ}" == first
    assert {channel: frame[channel].iloc[0] for channel in values} == pytest.approx(values)


def test_hours_that_end_in_local_time_follow_the_clock(tmp_path):
    path = tmp_path / "ercot.csv"
    path.write_text(ERCOT_DST, encoding="utf-8")
    loads = read_frame(path, "ERCOT")["load_mw"]
    assert [f"{slot:%H}" for slot in loads.index] == ["05", "06", "07", "08"]
    assert loads.tolist() == [40000.0, 40001.0, 40002.0, 40003.0]


def test_a_part_without_any_value_is_left_out_of_a_total(tmp_path):
    path = tmp_path / "generation.csv"
    path.write_text(ENTSOE_GENERATION.replace('"500"', '"n/e"').replace('"510"', '"n/e"'), encoding="utf-8")
    assert read_frame(path, "DE_LU")["wind_mw"].tolist() == [2000.0, 2010.0]


def test_a_zone_without_a_part_has_the_total_of_the_others_whatever_the_chunks(tmp_path):
    path = tmp_path / "x.csv"
    rows = [("A", "1", "2"), ("B", "3", ""), ("A", "1", "2"), ("B", "3", ""), ("A", "1", ""), ("B", "3", "")]
    lines = [f"2024-01-01T0{at // 2}:00Z,{zone},{land},{sea}" for at, (zone, land, sea) in enumerate(rows)]
    path.write_text("\n".join(["timestamp,zone,land,sea", *lines]) + "\n", encoding="utf-8")
    text = "zone_column: zone\nchannels: {wind_mw: {from: [land, sea], add_up: true}}"
    mapping = parse_mapping(text, "m")
    for rows_read in (100, 2, 1):
        chunks = iter_chunks(path, mapping=mapping, chunk_rows=rows_read)
        frame = pd.concat(list(chunks), ignore_index=True)
        assert frame.loc[frame["zone"] == "B", "wind_mw"].tolist() == [3.0, 3.0, 3.0]
        assert frame.loc[frame["zone"] == "A", "wind_mw"].fillna(-1.0).tolist() == [3.0, 3.0, -1.0]


@pytest.mark.parametrize(
    ("text", "zone"), [(ENTSOE_LOAD, "de-lu"), (ENTSOE_PRICES, "no1"), (ENTSOE_GENERATION, "DE_LU")]
)
def test_the_case_of_the_header_does_not_matter(tmp_path, text, zone):
    path = tmp_path / "x.csv"
    head, newline, rows = text.partition("\n")
    path.write_text(head.lower() + newline + rows, encoding="utf-8")
    assert inspect_file(path).zones == (zone,)


@pytest.mark.parametrize("name", ["BZN|DE-LU", "DE_LU", "BZN|FR", "NO1", "DK_1"])
def test_zones_are_known_by_the_names_of_exports(name):
    facts = known_facts(name)
    assert facts is not None
    assert facts["market"].currency == "EUR"
