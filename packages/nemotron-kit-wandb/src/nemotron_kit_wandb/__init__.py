"""Weights & Biases adapter for Nemotron training recipes."""
