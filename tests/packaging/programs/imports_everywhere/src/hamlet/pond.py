NAME = "pond"
