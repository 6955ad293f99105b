import utility.other

RESULT = utility.other.RESULT
