"""Answer models and the cleaning of foreign text."""
