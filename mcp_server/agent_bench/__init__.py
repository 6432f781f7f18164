"""A bench for brains of the grid agent: scripted and seeded evenings on the plant's own reducers, scored in money."""
