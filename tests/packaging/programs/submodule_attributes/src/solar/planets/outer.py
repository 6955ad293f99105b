NEPTUNE = "cold"
