import argparse
import sys

from options import types_of


def build():
    parser = argparse.ArgumentParser(description=__doc__ or __name__)
    parser.add_argument("--size", type=types_of.size)
    parser.add_argument("overrides", nargs="*")
    return parser


def parse(words):
    return build().parse_args([*words, *sys.argv[1:]])
