"""Tokenise, mask, pack and split training data for Nemotron recipes."""
