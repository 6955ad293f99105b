NAMES = ("Lübeck", "Riga")
