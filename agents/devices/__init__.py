"""Devices at the edge: device list, register maps, commands and their proof."""
