"""Megatron-Bridge as it is released, on a machine that has nothing to run it with."""
