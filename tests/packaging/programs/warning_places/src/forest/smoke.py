import warnings


def rise(twice=False):
    for _ in range(2):
        warnings.warn(f"smoke {twice}", RuntimeWarning, stacklevel=1)


def puff():
    warnings.warn_explicit("puff", UserWarning, __file__, 5, module=__name__)
