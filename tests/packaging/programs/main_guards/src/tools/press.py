def press(force):
    return force * 10


def main():
    print("the press")


if __name__ == "__main__":
    raise SystemExit(main())
