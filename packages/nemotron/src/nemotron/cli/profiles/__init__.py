"""``nemotron profiles``: the profiles of env.toml, what they say, and whether they work."""
