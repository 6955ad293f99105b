WORD = "won"
