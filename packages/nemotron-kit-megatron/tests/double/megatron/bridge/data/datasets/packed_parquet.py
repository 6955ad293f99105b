"""Stands in for the reader of packed Parquet of 0.4 and 0.5."""
