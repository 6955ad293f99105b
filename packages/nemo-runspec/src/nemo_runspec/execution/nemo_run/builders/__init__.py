"""One module for each kind of executor: what NeMo-Run's constructor is given."""
