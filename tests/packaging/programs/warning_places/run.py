"""Warnings show the line that they are about, and are filtered by its module."""

import warnings

from forest import fire, smoke
from forest.smoke import puff


def careless():
    fire.light()


careless()
careless()
smoke.rise()
smoke.rise()
puff()
warnings.filterwarnings("ignore", module=r"forest\.smoke")
smoke.rise(twice=True)
warnings.filterwarnings("error", module="forest.fire")
try:
    fire.burn()
except UserWarning as error:
    print("caught", error)
warnings.resetwarnings()
fire.light()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    fire.light()
    fire.burn()
print([(warning.filename.rpartition("/")[2], warning.lineno) for warning in caught])
