"""What becomes of alerts: rules, acknowledgements and silences, and whom to tell when."""
