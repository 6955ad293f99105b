def warm():
    return "warm"
