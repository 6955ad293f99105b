print("parade assembles")
