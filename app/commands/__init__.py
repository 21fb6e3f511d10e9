"""What the commands of ``app.cli`` do."""


class Misuse(Exception):
    """A command was called in a way that cannot work; its text says what to change."""
