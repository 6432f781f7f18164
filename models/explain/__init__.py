"""Contributions of features to a forecast."""
