"""A lineage in the languages of other tools."""
