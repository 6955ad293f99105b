NAME = "mill"
