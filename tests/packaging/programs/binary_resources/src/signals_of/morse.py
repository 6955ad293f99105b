import hashlib
from importlib.resources import files


def digest():
    return hashlib.sha256(files("signals_of").joinpath("beacon.bin").read_bytes()).hexdigest()[:12]
