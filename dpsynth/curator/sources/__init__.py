"""Where rows come from: CSV files, Parquet files, frames and Arrow streams in memory, one file each.

A source shows its column names, which are public, before anything is charged; it hands out cells only to the curator's
ingest, after the ledger says OPEN.
"""
