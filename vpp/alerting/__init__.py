"""Handling of alerts: rules, acknowledgements, silences and notifications."""
