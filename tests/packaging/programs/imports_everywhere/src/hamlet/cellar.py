NAME = "cellar"
