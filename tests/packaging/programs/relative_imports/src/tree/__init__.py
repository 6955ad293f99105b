NAME = "tree"
