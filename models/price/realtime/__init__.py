"""Prices of real-time markets: profile, features, trees, median, storage value, the served part."""
