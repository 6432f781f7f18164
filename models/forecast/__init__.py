"""The streaming forecast step: reducer, state, fallbacks, live scores, ramp alarm."""
