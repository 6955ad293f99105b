# -*- coding: latin-1 -*-
STRASSE = "Straße nach Österreich"
BYTES = STRASSE.encode("utf-8")[:6]


def strasse():
    raise ValueError("gesperrt: Größe")  # für später
