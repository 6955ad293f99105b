"""A program that starts itself again with other arguments does the other thing."""

import subprocess
import sys

from relay import baton

if len(sys.argv) > 1:
    print("child", baton.carried_by(sys.argv[1:]), flush=True)
    sys.exit(baton.CODE)

print("parent", flush=True)
done = subprocess.run([sys.executable, sys.argv[0], "one", "two"], capture_output=True, text=True)
print(done.returncode, done.stdout.strip(), baton.carried_by(["none"]))
print(sys.argv[0] == sys.modules["__main__"].__file__, __file__ == sys.argv[0])
