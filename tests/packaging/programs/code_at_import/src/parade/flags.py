print("flags are raised")
FLAG = "flag"
