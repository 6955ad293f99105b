"""``nemotron artifacts``: look at what was recorded, and keep it in order."""
