"""The ``nemotron`` command, grown from the tree of recipe names."""
