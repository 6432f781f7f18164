"""Content of each screen as plain values: numbers with units in their names, texts for people."""
