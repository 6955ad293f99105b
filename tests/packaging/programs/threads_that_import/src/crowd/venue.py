import time

from crowd import people

people.opened += 1
SEATS = []
for _ in range(200):
    SEATS.append("seat")
    time.sleep(0)


def take(number):
    return SEATS[number]
