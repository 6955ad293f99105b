"""Two packages have modules of one name, with functions of one name, and so has the script's folder."""

import utils
from north import utils as northern
from north.wind import blow as blow_north
from south.wind import blow as blow_south

print(utils.describe("script"))
print(northern.describe("north"), blow_north(), blow_south())
