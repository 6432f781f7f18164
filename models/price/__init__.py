"""What both price families share: contract, series, profile, fallback, error quantiles."""
