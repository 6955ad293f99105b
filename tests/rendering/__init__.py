"""What is rendered for engines that are not here: golden files, and variables read back."""
