print("drums need sticks")
from parade import sticks  # noqa: E402

BEAT = sticks.COUNT * 2
print("drums are ready")
