"""``covidct``: arguments only. Results on stdout, progress on stderr, exit code 0 only when the thing is done."""

import ipaddress
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from app import NOTICE, __version__
from app.commands import Misuse
from app.commands.printing import drop_what_was_not_taken, show, tell
from app.ct.errors import CovidCTError
from app.exam_folder import SlicesAsked, Wish
from app.settings import PREFIX, Settings, unknown_settings

commands = typer.Typer(
    help=f"COVID-19 probability and lesion heatmap from the chest CT slices of one exam. {NOTICE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

EngineName = Literal["auto", "keras", "openvino"]
ModelDir = Annotated[Path | None, typer.Option(help="One model's folder; default: the one in model_store/.")]
DataDir = Annotated[Path | None, typer.Option(help="Where exams are kept; default: ./data.")]
EngineOption = Annotated[EngineName | None, typer.Option(help="What runs the network; default: auto.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of this project are told in two lines, without a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A name that the encoding of stdout lacks must not stop a batch; stderr is so by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        commands(arguments)
    except CovidCTError as error:
        tell(f"{error.in_one_line}\n{error.advice}")
        sys.exit(1)
    except Misuse as error:
        tell(str(error))
        sys.exit(2)
    finally:
        drop_what_was_not_taken()


def _settings(**given: object) -> Settings:
    """Settings from the environment, with what was given on the command line; variables that are no settings are told.

    Raises:
        Misuse: one of them cannot be.
    """
    for name in unknown_settings(os.environ):
        tell(f"{name} is no setting of covidct and changes nothing{_instead_of(name)}.")
    try:
        settings = Settings()
    except ValidationError as error:
        raise Misuse(_wrong(error, lambda name: f"COVIDCT_{name.upper()}")) from error
    try:
        return Settings.model_validate(settings.model_dump() | {k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        raise Misuse(_wrong(error, lambda name: f"--{name.replace('_', '-')}")) from error


def _instead_of(name: str) -> str:
    meant = get_close_matches(name.upper(), [f"{PREFIX}{known.upper()}" for known in Settings.model_fields], n=1)
    return f"; {meant[0]} is one" if meant else ""


def _wrong(error: ValidationError, called: Callable[[str], str]) -> str:
    """A line for every setting that cannot be, under the name it was given by."""
    lines = [f"{called(str(one['loc'][0]))} cannot be {one['input']}: {one['msg']}." for one in error.errors()]
    if any(str(one["input"]).startswith(("tcp://", "udp://")) for one in error.errors()):
        lines.append(
            "Kubernetes sets it beside a Service named covidct: give the pod `enableServiceLinks: false`, or the port."
        )
    return "\n".join(lines)


def is_this_machine(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@commands.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: 8000.")] = None,
    model_dir: ModelDir = None,
    data_dir: DataDir = None,
    engine: EngineOption = None,
    open_: Annotated[
        bool | None, typer.Option("--open", help="Permit an address that other machines can reach, without keys.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate and its chain (PEM); with --tls-key: HTTPS alone.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
) -> None:
    """Start the service; the page is at /covid. Other machines reach it once there is a key (`covidct key add`)."""
    from app.commands.serve import run
    from app.keys import keys_are_there

    settings = _settings(
        host=host,
        port=port,
        model_dir=model_dir,
        data_dir=data_dir,
        engine=engine,
        open=open_,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    try:
        is_closed = keys_are_there(settings.data_dir)
    except OSError as error:
        raise Misuse(f"{settings.data_dir} cannot be read ({error.strerror}); set --data-dir.") from error
    if not settings.open and not is_this_machine(settings.host) and not is_closed:
        raise Misuse(
            f"{settings.host} can be reached from other machines, and anyone who reaches it can read every exam.\n"
            "Make a key (`covidct key add NAME`), listen on 127.0.0.1, or give --open where something in front of the "
            "service keeps others out."
        )
    run(settings)


@commands.command()
def predict(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Folders, ZIPs, volumes (.nii, .nii.gz, .mha) or slices.")
    ],
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="Every sub-folder, ZIP and volume directly inside PATH is an exam; "
            "loose slices there are counted and left out.",
        ),
    ] = False,
    series: Annotated[str | None, typer.Option(metavar="UID", help="Diagnose this DICOM series.")] = None,
    slices: Annotated[
        str | None, typer.Option(metavar="N|all", help="How many slices to score; by default as the server.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Write report.json and overlays into DIR, for several exams and after --each into DIR/NAME; "
            "DIR lies outside of what is diagnosed.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The whole report on stdout; for several exams and after --each one a line.")
    ] = False,
    table: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE|-", help="One row per exam into FILE, or - for stdout instead of text."),
    ] = None,
    model_dir: ModelDir = None,
    engine: EngineOption = None,
) -> None:
    """Diagnose exams without a server.

    Every folder, ZIP and volume is one exam; slices given as files are together one exam. An exam that is refused does
    not stop the others.

    Exit code: 0 when every exam was diagnosed, 1 when one was refused or failed, 2 when the call was wrong.
    """
    from app.commands.batch import Places, run
    from app.commands.ending import ending_in_order
    from app.commands.given import Given
    from app.ct.workers.pool import workers_of
    from app.main import load_classifier

    given = Given.each(paths, tell=tell) if each else Given.of(paths)
    wish, places = Wish.of(series, _how_many(slices)), Places.of(as_json=as_json, table=table, folder=out)
    settings = _settings(model_dir=model_dir, engine=engine)
    with ending_in_order(), closing(workers_of(settings.workers)) as workers:
        workers.start()
        classifier = load_classifier(settings)
        refused = run(given, classifier, limits=settings.limits, wish=wish, places=places, workers=workers)
    if not given.is_one:
        count = len(given.exams)
        tell(f"{count} exam{'s' * (count > 1)}: {count - refused} diagnosed, {refused} refused or failed")
    raise typer.Exit(1 if refused else 0)


def _how_many(slices: str | None) -> SlicesAsked | None:
    try:
        return TypeAdapter[SlicesAsked | None](SlicesAsked | None).validate_python(slices)
    except ValidationError as error:
        raise Misuse(f"--slices takes a number from 1 to 100000, or `all`; not {slices}.") from error


@commands.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write into.")] = Path("demo"),
    lesions: Annotated[Literal["none", "few", "many"], typer.Option(help="How many lesions to draw.")] = "many",
    slices: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="How many slices over 300 mm; fewer than 31 leave gaps that hold the verdict back."
        ),
    ] = 60,
) -> None:
    """Write a synthetic exam as DICOM and as JPEG, to try the service with."""
    from app.ct.phantom import phantom
    from app.ct.phantom.files import dicom_files, jpeg_files, write

    tell("drawing a synthetic chest")
    chest = phantom(slices=slices, lesions=lesions)
    for kind, files in (("dicom", dicom_files(chest)), ("jpeg", jpeg_files(chest))):
        try:
            written = write(files, out / kind)
        except OSError as error:
            raise Misuse(f"{out / kind} cannot be written ({error.strerror}); give -o another folder.") from error
        show(f"{out / kind}: {len(written)} files of a synthetic exam, nobody's")


@commands.command()
def doctor(model_dir: ModelDir = None, data_dir: DataDir = None, engine: EngineOption = None) -> None:
    """Look at this machine: engine, GPU, decoders, store and model; each line ok or what to do."""
    from app.commands.doctor import check_machine

    all_ok = True
    for check in check_machine(_settings(model_dir=model_dir, data_dir=data_dir, engine=engine)):
        show(f"{'ok  ' if check.is_ok else 'FIX '} {check.name}: {check.says}")
        all_ok = all_ok and check.is_ok
    raise typer.Exit(0 if all_ok else 1)


keys = typer.Typer(help="Keys that open the service; once there is one, nothing is open without.", no_args_is_help=True)
commands.add_typer(keys, name="key")


@keys.command("add")
def add_key(name: Annotated[str, typer.Argument(help="Whose it is, for your list.")], data_dir: DataDir = None) -> None:
    """Make a key and print it: this once, for only its hash is kept."""
    from app.commands.key import add

    folder = _settings(data_dir=data_dir).data_dir
    key, secret = add(folder, name)
    tell(f"key {key.id}, {key.name}, in {folder.resolve()}; shown this once:")
    show(secret)


@keys.command("list")
def list_keys(data_dir: DataDir = None) -> None:
    """List the keys: id, name, since when, and whether they are in use."""
    from app.commands.key import lines

    for line in lines(_settings(data_dir=data_dir).data_dir):
        show(line)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[int, typer.Argument(metavar="ID", help="As `covidct key list` shows it.")],
    data_dir: DataDir = None,
) -> None:
    """End a key at once, and every browser signed in by it. Its exams stay until they expire; nobody sees them."""
    from app.commands.key import revoke

    revoke(_settings(data_dir=data_dir).data_dir, key_id)
    tell(f"key {key_id} is revoked")


@commands.command()
def verify_audit(data_dir: DataDir = None) -> None:
    """Check the audit log in the data folder; name the first line that is not as it was written.

    Exit code: 0 when the log is whole, 1 when it is not, 2 when there is none.
    """
    from app.commands.verify_audit import verify

    show(verify(_settings(data_dir=data_dir).data_dir))


@commands.command()
def version() -> None:
    """Print the version."""
    show(__version__)
