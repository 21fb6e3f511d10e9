"""Log lines as JSON on stderr: one per exam and one per request, without names, tags or file names.

What libraries log or warn of is told by place alone: their texts may repeat a tag.
A log that cannot be written, such as a closed stderr, never stops the work it tells of.
"""

import logging
import sys
from contextlib import suppress

import structlog

from app.outcome import Outcome


def configure() -> None:
    """Set structlog up once, at start, and take over what libraries say."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    logging.captureWarnings(True)
    logging.getLogger().handlers = [_PlaceAlone(logging.WARNING)]


class _PlaceAlone(logging.Handler):
    """Tells where a library complained, never what it said."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        complain(
            "library",
            logger=record.name,
            level_there=record.levelname,
            at=f"{record.module}:{record.lineno}",
            kind=kind,
        )


def say(event: str, **facts: object) -> None:
    """A line about the ordinary course of things."""
    with suppress(OSError, ValueError):
        structlog.get_logger().info(event, **facts)


def complain(event: str, **facts: object) -> None:
    """A line about a fault; never with the text of an exception, which may name a patient."""
    with suppress(OSError, ValueError):
        structlog.get_logger().error(event, **facts)


def place_of(error: BaseException) -> str:
    """Function and line an exception came from, without its text."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"{at.tb_frame.f_code.co_name}:{at.tb_lineno}"


def log_outcome(outcome: Outcome) -> None:
    """One exam's line."""
    say(
        "exam",
        exam_id=outcome.exam_id,
        status=outcome.status,
        code=outcome.code,
        files=outcome.files,
        slices=outcome.slices,
        scored=outcome.scored,
        **{f"{stage}_s": seconds for stage, seconds in outcome.timing_s},
    )
