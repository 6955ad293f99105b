def cut(length):
    return length // 2


def main():
    print("the cutter")


if __name__ == "__main__":
    main()
