_PRICE = 3
_orders = []


def _total(count):
    _orders.append(count)
    return _PRICE * sum(_orders)


def order(count):
    return f"coffee {_total(count)}"
