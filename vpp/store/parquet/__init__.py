"""The store for history: Parquet files by run, table, day and zone."""
