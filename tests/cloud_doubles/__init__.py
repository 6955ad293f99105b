"""Stand-ins for clouds on the loopback interface; they start jobs as processes of this machine.

What they answer is made of the client's own models, where it has some.
"""
