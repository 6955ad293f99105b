"""The hooks of both frameworks behind one interface, so that tests can ask the same of each."""
