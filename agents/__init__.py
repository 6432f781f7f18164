"""Pure decision policies: battery physics, limits, bids, clearing and the ledger."""
