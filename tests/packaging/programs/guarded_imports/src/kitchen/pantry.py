REASONS = []
FOUND = []

try:
    import kitchen.spices_nobody_has
except ModuleNotFoundError as error:
    REASONS.append((str(error), error.name))

try:
    from kitchen import sugar_nobody_has
except ImportError as error:
    REASONS.append((error.msg.partition(" (")[0], error.name))

try:
    from kitchen.cellar import bottles
except (ImportError, AttributeError) as error:
    REASONS.append(repr(error))
    bottles = None

try:
    import kitchen.fire as fire
except ImportError:
    pass
else:
    FOUND.append(fire.__name__)
