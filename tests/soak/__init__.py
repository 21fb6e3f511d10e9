"""What takes minutes: the whole service, as a process, under load and faults. ``python -m tests.soak``; see ``parts``."""
