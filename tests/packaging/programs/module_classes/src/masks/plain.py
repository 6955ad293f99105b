COLOUR = "white"
