"""Backtests of forecasts, baselines, metrics, the promotion test, reports."""
