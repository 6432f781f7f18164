"""A battery policy of your own on stored bids: ``python examples/custom_policy.py .vpp/store.sqlite SIM_NORTH``.

The policy sees what the trader bid after each slot (its expected prices), charges when the next slot is among the
cheapest quarter of the coming day and discharges in the most expensive quarter. It is settled on actual prices and
printed beside the money that the plant's own batteries earned.
"""

import json
import sqlite3
import sys

import numpy as np
import pandas as pd

path, zone = sys.argv[1:3]
POWER_MW, ENERGY_MWH, EFFICIENCY, WEAR_PER_MWH = 8.0, 16.0, 0.938, 5.0  # efficiency each way

with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
    query = "SELECT slot, body FROM bids WHERE zone = ? AND policy = 'trader' ORDER BY slot"
    bids = pd.read_sql(query, store, params=[zone])
    actual = "SELECT slot, price_per_mwh FROM telemetry WHERE zone = ?"
    prices = pd.read_sql(actual, store, params=[zone], index_col="slot")
    earned = "SELECT asset_id, SUM(pnl) AS pnl FROM ledger WHERE zone = ? GROUP BY asset_id"
    plant = pd.read_sql(earned, store, params=[zone])


def power_mw(expected_per_mwh: np.ndarray) -> float:
    """The policy: power of the next slot, positive into the grid, from the expected prices of the horizon."""
    if len(expected_per_mwh) == 0 or np.ptp(expected_per_mwh) == 0:
        return 0.0
    rank = (expected_per_mwh < expected_per_mwh[0]).mean()
    return POWER_MW if rank >= 0.75 else -POWER_MW if rank < 0.25 else 0.0


stored_mwh, money = ENERGY_MWH / 2, 0.0
for body, settled in zip(bids["body"], bids["slot"].shift(-1), strict=True):
    price = prices["price_per_mwh"].get(settled)
    if price is None or pd.isna(price):
        continue
    bid = json.loads(body)
    hours = bid["step_min"] / 60
    offered_mw = power_mw(np.array(bid["price_per_mwh"], dtype=float))
    limits = (-(ENERGY_MWH - stored_mwh) / EFFICIENCY / hours, stored_mwh * EFFICIENCY / hours)
    power = float(np.clip(offered_mw, *limits))
    stored_mwh -= power * hours * (1 / EFFICIENCY if power > 0 else EFFICIENCY)
    money += power * hours * price - WEAR_PER_MWH * max(power, 0.0) * hours

print(f"{zone}: own policy {money:,.2f} over {len(bids)} slots, {stored_mwh:.1f} MWh left in store")
print(plant.round(2).to_string(index=False))
