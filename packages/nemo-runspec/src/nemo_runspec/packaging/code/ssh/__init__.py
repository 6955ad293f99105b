"""Code on another machine, over ssh: trees by their digest, complete or absent."""
