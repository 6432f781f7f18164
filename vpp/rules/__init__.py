"""Rule clauses, the documents they come from, and full-text search."""
