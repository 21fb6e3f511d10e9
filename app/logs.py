"""Log lines as JSON on stderr: one per exam, without names, tags or file names."""

import logging
import sys

import structlog

from app.desk import Outcome


def configure() -> None:
    """Set structlog up once, at start."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log_outcome(outcome: Outcome) -> None:
    """One exam's line."""
    structlog.get_logger().info(
        "exam",
        id=outcome.exam_id,
        status=outcome.status,
        code=outcome.code,
        files=outcome.files,
        slices=outcome.slices,
        scored=outcome.scored,
        **{f"{stage}_s": seconds for stage, seconds in outcome.timing_s},
    )
