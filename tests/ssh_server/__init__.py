"""A real sshd on loopback, with keys of its own, for tests."""
