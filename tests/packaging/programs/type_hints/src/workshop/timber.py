raise RuntimeError("only type checkers look here")
