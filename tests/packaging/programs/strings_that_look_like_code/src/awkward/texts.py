r"""A raw \docstring with ''' and \""" in it."""

TRIPLE = """a '''b''' "c" \
d"""
RAW = r'\n "\'" %(x)s {y}'
ESCAPES = "\x00\x1f\x7f\ud800\u2028\N{BULLET}\\"


def quoted(what):
    return f'''{what!r:>{5}} {"{}"} """ # not a comment'''


# from awkward import nothing_at_all
"from awkward.nothing import nothing"
