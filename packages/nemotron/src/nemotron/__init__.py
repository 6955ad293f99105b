"""The nemotron command and the nemotron.kit facade."""
