"""Notifies people of alerts: contacts and the worker that reads ``vpp.alerts``."""
