def sound():
    return "tweet"
