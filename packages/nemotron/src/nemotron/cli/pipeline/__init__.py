"""``nemotron FAMILY pipe``: run the recipes of a family as one chain."""
