NAME = "branch"
