"""Functions rebind globals of their module; readers see the module's value, importers the old one."""

from counters import reader, writer
from counters.writer import count

count_here = count
writer.advance()
writer.advance()
count += 100
print(count_here, count, writer.count, reader.current(), reader.copied())
