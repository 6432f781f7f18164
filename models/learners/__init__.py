"""Regressions and trees that know nothing of energy."""
