"""``nemotron package``: a recipe as one file; what it does is loaded when it runs."""
