"""Prices of day-ahead auctions: members, mix, trees, walk-forward training, the served part."""
