print("it rains")
FLAG = "none"
