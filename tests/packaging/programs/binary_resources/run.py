"""Bytes that lie in packages come back as they are, by every way there is."""

import hashlib
import pkgutil
from importlib import resources

from signals_of import morse

print(morse.digest())
data = pkgutil.get_data("signals_of", "beacon.bin")
print(len(data), hashlib.sha256(data).hexdigest()[:12])
with resources.files("signals_of").joinpath("beacon.bin").open("rb") as stream:
    print(stream.read() == data, resources.files("signals_of").joinpath("beacon.bin").name)
for name in ("lines.txt", "empty.bin"):
    print(pkgutil.get_data("signals_of", name), resources.files("signals_of").joinpath(name).read_bytes())
print(repr(resources.files("signals_of").joinpath("lines.txt").read_text(encoding="utf-8-sig")))
try:
    pkgutil.get_data("signals_of", "missing.bin")
except OSError as error:
    print(type(error).__name__)
