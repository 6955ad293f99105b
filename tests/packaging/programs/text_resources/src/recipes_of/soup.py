from importlib import resources


def ingredients():
    text = resources.files(__package__).joinpath("texts/soup.txt").read_text(encoding="utf-8")
    return text.splitlines()


def greet(name):
    return resources.files("recipes_of.texts").joinpath("greeting.txt").read_text("utf-8").format(name=name).strip()
