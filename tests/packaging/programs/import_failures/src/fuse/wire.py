print("wire is laid")
