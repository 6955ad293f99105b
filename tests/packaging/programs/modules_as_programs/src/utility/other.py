RESULT = [__name__, __package__, __spec__.name]
if __name__ == "__main__":
    RESULT.append("program")
