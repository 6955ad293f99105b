found = []
opened = 0
