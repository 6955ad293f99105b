from circuit import breaker


class Error(Exception):
    pass


def blow():
    raise Error("blown")


def handled():
    try:
        breaker.trip()
    except Error:
        return
    except breaker.Error as error:
        raise Error("blown by breaker") from error
