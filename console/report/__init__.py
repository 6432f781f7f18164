"""Reports of a day or a week: money and its causes, as one HTML page with CSV beside it."""
