"""What the parts of a manifest have in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Never changed, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
