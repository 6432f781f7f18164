"""The red-team bench: forged data against the guard, in detection, MW and money."""
