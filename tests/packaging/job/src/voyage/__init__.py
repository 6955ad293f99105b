"""What a job has of its own."""
