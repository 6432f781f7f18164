"""Asset types, one module each: limits, physics, block of the dispatch, cost and words; and the registry of them."""
