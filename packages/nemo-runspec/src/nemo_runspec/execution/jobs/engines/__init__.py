"""What each engine tells of a job, asked through its own client where NeMo-Run is."""
