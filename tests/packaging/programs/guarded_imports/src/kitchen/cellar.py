raise ImportError("the cellar is locked")
