"""Stands in for the reader of packed Parquet from 0.6 on."""
