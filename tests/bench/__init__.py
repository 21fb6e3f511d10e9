"""``make bench``: what the service costs on this machine, all figures of one run beside each other.

Nothing here fails because a machine is slow: figures are printed and written to ``bench/``, goals are said to hold or not.
Memory is read from ``/proc``, so it runs on Linux.
"""
