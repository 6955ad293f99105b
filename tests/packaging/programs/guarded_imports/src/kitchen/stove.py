import sys

try:
    from induction_driver_nobody_has import heat
except ImportError:
    from kitchen.fire import heat

if sys.version_info < (3, 0):
    from kitchen.ancient import heat  # noqa: F811
