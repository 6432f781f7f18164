"""Gateways: edge processes between devices and the log. They write raw telemetry and commands and read setpoints."""
