"""Relative imports of every depth find what they mean."""

from tree.crown.branch.leaf import report

print(report())
