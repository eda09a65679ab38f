"""Child processes: run code that may hang, crash or grow in a process of its own, with limits of time and memory.

`process` starts one and calls its methods. `child` is what runs in it. `messages` are what they exchange.
"""
