"""What each screen of the page shows, as plain values: numbers with their units in the names, texts for people."""
