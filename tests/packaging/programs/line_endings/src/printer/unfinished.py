VALUE = 1

def fail():
	if VALUE:
		raise KeyError("no end of line")  # here