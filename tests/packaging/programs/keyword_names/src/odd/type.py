__version__ = "1.2.3"
_ = "underscore"
x = 1
