NAME = "crown"
