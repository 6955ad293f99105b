def größe(länge):
    return länge * "🦉"


ﬁnish = sorted(name for name in globals() if not name.startswith("_"))
