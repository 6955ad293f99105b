"""Where records come from: files, their digests, and the records in them."""
