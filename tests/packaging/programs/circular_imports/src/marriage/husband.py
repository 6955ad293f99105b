from marriage import wife

SEEN = sorted(name for name in vars(wife) if not name.startswith("__"))


def talk(times):
    return ["husband", *wife.talk(times - 1)] if times else []
