"""Forecast models: baselines, training, calibration, evaluation and artifacts."""
