print("sticks are cut")
COUNT = 2
