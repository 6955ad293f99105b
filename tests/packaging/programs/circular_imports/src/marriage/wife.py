EARLY = "early"

from marriage import husband  # noqa: E402 - in the middle: the other sees half a module

SEEN = sorted(name for name in vars(husband) if not name.startswith("__"))


def talk(times):
    return ["wife", *husband.talk(times - 1)] if times else []
