"""Sources of the chain: rows of a file or a generator as raw records in order of availability, and their pace."""
