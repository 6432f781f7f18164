"""The read side: one module per question."""
