"""Backtests and what-ifs that drive the real reducers over history."""
