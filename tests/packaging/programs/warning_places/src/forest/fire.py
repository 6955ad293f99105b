import warnings


def light():
    warnings.warn("careful with that", stacklevel=2)


def burn():
    warnings.warn("burning", UserWarning, stacklevel=1)
