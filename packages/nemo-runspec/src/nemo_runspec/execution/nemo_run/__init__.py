"""What NeMo-Run is asked for: executors, and the scripts that it writes for them."""
