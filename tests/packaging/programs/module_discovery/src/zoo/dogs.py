def sound():
    return "woof"
