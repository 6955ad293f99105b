NAME = "fruit"
