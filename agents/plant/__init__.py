"""The plant step: it settles a slot, decides the next one, records and explains the decision."""
