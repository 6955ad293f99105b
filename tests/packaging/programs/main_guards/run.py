"""Every module has something to do as a program of its own; only the script does it."""

from tools import cutter, press


def main():
    print("the script", cutter.cut(4), press.press(4))


if __name__ == "__main__":
    main()
