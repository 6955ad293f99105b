"""A module that many threads import at once is run once, and nobody sees half of it."""

import threading

from crowd import people

print("opened", people.opened)
barrier = threading.Barrier(4)


def arrive(number):
    barrier.wait()
    from crowd.venue import SEATS, take

    people.found.append((len(SEATS), take(number)))


threads = [threading.Thread(target=arrive, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(people.found == [(200, "seat")] * 4, people.opened)
