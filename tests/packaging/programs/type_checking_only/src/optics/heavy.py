import a_framework_that_nobody_has

raise RuntimeError("heavy")
