"""``nemotron data``: look into prepared data."""
