"""Megatron-Bridge adapter for Nemotron training recipes."""
