"""Which library turns text into ids, and the proof that it makes no difference."""
