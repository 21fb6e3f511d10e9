"""Settings of the test run."""

from hypothesis import settings

# Times differ between machines; what fails once must fail again.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")
