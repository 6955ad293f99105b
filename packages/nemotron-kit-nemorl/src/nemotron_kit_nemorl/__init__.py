"""NeMo-RL adapter for Nemotron training recipes."""
