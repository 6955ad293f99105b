"""``nemotron FAMILY data import`` and ``model import``: record what was made elsewhere."""
