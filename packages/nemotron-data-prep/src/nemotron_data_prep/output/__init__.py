"""The files that trainers read."""
