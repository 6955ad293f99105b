"""Workers that are spawned import the modules of the program, and its script as `__mp_main__`."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from quarry import chisel, hammer
from quarry.stones import BrokenStone, Stone


def of_the_script(stone):
    return f"{stone.weight} in {__name__}"


def main():
    hammer.configure(100)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=hammer.configure, initargs=(7,)) as pool:
        print(list(pool.map(hammer.strike, [Stone(2), Stone(3)])))
        print(list(pool.map(of_the_script, [Stone(4)])))
        try:
            pool.submit(hammer.strike, Stone(-1)).result()
        except BrokenStone as error:
            print(repr(error), error.stone, type(error.__cause__).__name__)
    print(hammer.strike(Stone(1)), chisel.strike(Stone(1)))


if __name__ == "__main__":
    main()
