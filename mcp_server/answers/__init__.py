"""Answer models, and the cleaning of text that comes from devices."""
