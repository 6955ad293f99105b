import castle.towers

view = None
