"""Conversations: normalised, rendered through a chat template, and masked."""
