print("fireworks")
COLOUR = "green"
