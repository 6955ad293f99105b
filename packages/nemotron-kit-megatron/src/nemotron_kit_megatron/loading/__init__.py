"""A recipe of Megatron-Bridge, from a configuration: named, built, changed and checked."""
