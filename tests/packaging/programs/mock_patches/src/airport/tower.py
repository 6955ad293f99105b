from airport.gates import open_gate


def clear():
    return f"cleared: {open_gate()}"
