def size(text):
    return int(text)
