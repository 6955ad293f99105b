def sound():
    return "hoo"
