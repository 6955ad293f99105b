NAME = "bird"
