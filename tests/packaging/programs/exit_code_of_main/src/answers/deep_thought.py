def main():
    print("thinking")
    return 42
