"""Simulated devices behind real protocol servers, and the MQTT broker that they need."""
