"""Reports of a day or a week: what the plant earned and why, as one HTML page with CSV beside it."""
