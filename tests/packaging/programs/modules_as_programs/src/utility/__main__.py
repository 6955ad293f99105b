from utility.tool import RESULT as OTHER

RESULT = [__name__, *OTHER]
