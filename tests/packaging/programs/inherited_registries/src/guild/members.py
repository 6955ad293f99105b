from guild import smith, baker  # noqa: I001 - in this order
from guild.base import Member

COUNT = len(Member.members)
