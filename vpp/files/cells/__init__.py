"""What the text of a cell and the name of a column say: numbers, times, units, channels."""
