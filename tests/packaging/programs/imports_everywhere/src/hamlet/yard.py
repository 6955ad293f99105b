SPACE = "yard"
