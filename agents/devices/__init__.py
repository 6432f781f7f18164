"""Devices at the edge: what they are, how their registers read, and the proof that they follow their commands."""
