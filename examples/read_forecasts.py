"""Stored forecasts and actuals in pandas: ``python examples/read_forecasts.py .vpp/store.sqlite``.

Prints the mean absolute error of net load (MW) per zone and horizon, over all slots that have a measurement.
"""

import sqlite3
import sys

import pandas as pd

path = sys.argv[1] if len(sys.argv) > 1 else ".vpp/store.sqlite"
with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
    forecasts = pd.read_sql("SELECT * FROM forecasts WHERE target = 'net_load'", store, parse_dates=["issued_at"])
    actuals = pd.read_sql("SELECT zone, slot, net_load_mw FROM telemetry", store, parse_dates=["slot"])

# A forecast with horizon h, issued when slot t closed, is a forecast of slot t + h.
forecasts["slot"] = forecasts["issued_at"] + pd.to_timedelta(forecasts["horizon_min"], unit="min")
joined = forecasts.merge(actuals, on=["zone", "slot"]).dropna(subset=["net_load_mw", "q50"])
joined["error_mw"] = (joined["q50"] - joined["net_load_mw"]).abs()
joined["inside"] = joined["net_load_mw"].between(joined["q05"], joined["q95"])
table = joined.groupby(["zone", "horizon_min"]).agg(
    n=("error_mw", "size"), mae_mw=("error_mw", "mean"), coverage_90=("inside", "mean")
)
print(table.round(2).to_string())
