"""Scores, baselines and bounds of policies."""
