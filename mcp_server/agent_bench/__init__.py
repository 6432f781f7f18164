"""Benchmark of the grid agent's brains: scripted and seeded evenings on the plant's reducers, scored in money."""
