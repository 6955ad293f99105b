_PRICE = 2
_orders = [10]


def _total(count):
    _orders.append(count)
    return _PRICE * len(_orders)


def order(count):
    return f"tea {_total(count)}"
