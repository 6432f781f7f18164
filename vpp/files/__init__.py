"""History files: columns, mapping, slot length, availability, and fitting a zone to a file."""
