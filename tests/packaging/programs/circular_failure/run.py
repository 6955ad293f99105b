"""A circle that cannot be closed fails with Python's own words."""

print("before", flush=True)

from duel.left import strike  # noqa: E402

print("never", strike)
