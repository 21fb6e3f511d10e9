"""What an operator may set, by environment variables ``COVIDCT_*`` or command line; units stand in the names.

Threshold, crop, size, window and class order are not here: they belong to the weights and stand in the manifest.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.ct.errors import NoModel
from app.uploads import Limits

STORE = Path(__file__).resolve().parent.parent / "model_store"

PREFIX = "COVIDCT_"
_OTHERS = re.compile(
    # What the tests heed; and what Kubernetes sets beside Services named covidct or covidct-*.
    r"COVIDCT_NO_SKIPS=.*|COVIDCT_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=.*"
    r"|COVIDCT_\w+_PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)

Hours = Annotated[float, Field(le=24 * 36_525, allow_inf_nan=False)]
"""A hundred years at most: beyond, there are no dates to reckon with."""
Seconds = Annotated[float, Field(le=86_400 * 366, allow_inf_nan=False)]
"""A year at most: no more can be waited for at a time."""


class Settings(BaseSettings):
    """Built once at start, frozen, handed down as plain values.

    Attributes:
        host, port: where to listen.
        open: permits a host other than this machine where there are no keys.
        allowed_hosts: names, without port, that the service may be asked for under beside its addresses, separated by commas;
            ``*`` is any. ``host`` and names without a dot are always among them.
        tls_cert, tls_key: certificate with its chain, and its key (PEM): with both the service speaks HTTPS alone.
        session_h: how long a browser stays signed in by a key.
        exams_per_minute: exams that one key, or one address where there are no keys, may send; 0 is no limit.
        upload_mb_per_minute: bytes of the same, in units of 2**20; 0 is no limit.
        docs: whether /docs and /openapi.json are there.
        metrics: whether /metrics is there.
        model_dir: one model's folder; None means the single folder in ``model_store``.
        model_store: where a model is looked for when none is named.
        data_dir: where exams are kept.
        engine: which engine runs the network.
        retention_h: how long an exam is kept.
        keep_values: whether the Hounsfield units of DICOM and volumes are kept with an exam, so that the page can show any
            window of them; half a megabyte a slice of 512 x 512.
        tombstone_h: how long an erased exam is still known to have expired.
        sweep_s: how often expired exams are erased.
        max_files: files in one upload.
        max_upload_mb: bytes of one upload, in units of 2**20.
        workers: processes that decode and prepare slices, within limits; where nothing is set one for each
            CPU, eight at most; with 0 the service does it itself, where a decoder that crashes ends the service.
        queue_size: exams that may wait for their turn.
        small_exam_files, small_exam_mb: an upload of no more files, and no more bytes in units of 2**20, does not wait behind
            larger ones; a ZIP is one file.
        max_uploads: uploads that may arrive at the same time; each takes about 2 MB of memory.
        drain_s: how long the exams at work are waited for when the service is stopped; what has not ended by then begins
            again with the next start.
        read_limit_s: how long the files of one exam may take to be read; then it is refused.
        stuck_s: how long a diagnosis may show no sign of going on; then the service ends with code 75, to be started again. Above
            what one part of an exam may take in a worker (600 s), which ends by itself.
        storage_wait_s: how long a diagnosis is tried again where the disk is full or takes nothing.
        ready_wait_s: how long an upload waits for the model to load before it is turned away.
        retry_after_s: when to try again, as told to clients.
        header_timeout_s: time in which a request's header must come, and in which TLS must be agreed on.
        body_timeout_s, min_upload_kb_s: over each stretch of so much time a body must come at this rate, in units of 1024 bytes a
            second.
        answer_timeout_s: time in which a client must take in some of an answer that waits to be sent.
        max_client_connections: connections from one address at once; behind a proxy all come from its address.
        max_connections: connections from all addresses.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    open: bool = False
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    session_h: Hours = Field(default=12.0, gt=0)
    exams_per_minute: int = Field(default=600, ge=0)
    upload_mb_per_minute: int = Field(default=16_384, ge=0)
    docs: bool = True
    metrics: bool = True
    model_dir: Path | None = None
    model_store: Path = STORE
    data_dir: Path = Path("data")
    engine: Literal["auto", "keras", "openvino"] = "auto"
    retention_h: Hours = Field(default=24.0, gt=0)
    keep_values: bool = True
    tombstone_h: Hours = Field(default=168.0, ge=0)
    sweep_s: Seconds = Field(default=60.0, gt=0)
    max_files: int = Field(default=Limits.max_files, ge=1)
    max_upload_mb: int = Field(default=Limits.max_upload_mb, ge=1)
    workers: int | None = Field(default=None, ge=0, le=256)
    queue_size: int = Field(default=16, ge=1)
    small_exam_files: int = Field(default=8, ge=0)
    small_exam_mb: int = Field(default=4, ge=0)
    max_uploads: int = Field(default=96, ge=1)
    drain_s: Seconds = Field(default=45.0, ge=0)
    read_limit_s: Seconds = Field(default=600.0, gt=0)
    stuck_s: Seconds = Field(default=1200.0, gt=0)
    storage_wait_s: Seconds = Field(default=600.0, ge=0)
    ready_wait_s: Seconds = Field(default=30.0, ge=0)
    retry_after_s: int = Field(default=5, ge=1)
    header_timeout_s: Seconds = Field(default=10.0, gt=0)
    body_timeout_s: Seconds = Field(default=10.0, gt=0)
    min_upload_kb_s: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    answer_timeout_s: Seconds = Field(default=20.0, gt=0)
    max_client_connections: int = Field(default=512, ge=1)
    max_connections: int = Field(default=768, ge=1)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _names(cls, given: object) -> object:
        return [name.strip().lower() for name in given.split(",") if name.strip()] if isinstance(given, str) else given

    @property
    def limits(self) -> Limits:
        """What one exam may hold, over HTTP and on the command line."""
        return Limits(max_files=self.max_files, max_upload_mb=self.max_upload_mb)


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """The variables that look like settings and are none, such as misspelt ones."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    ours = {name: value for name, value in environment.items() if name.upper().startswith(PREFIX)}
    return sorted(n for n, value in ours.items() if n.upper() not in known and not _OTHERS.fullmatch(f"{n}={value}"))


def model_folder(settings: Settings) -> Path:
    """The folder of the model to serve.

    Raises:
        NoModel: no folder was named and ``model_store`` does not hold exactly one.
    """
    if settings.model_dir is not None:
        return settings.model_dir
    folders = sorted(path.parent for path in settings.model_store.glob("*/manifest.json"))
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise NoModel("model_store/ holds no model.")
    raise NoModel("model_store/ holds several models.")
