"""Pure feature engineering: the slot ring, the feature table, its kernel and the calendar."""
