from engine_room.boiler import pressure


def untuned():
    return pressure()
