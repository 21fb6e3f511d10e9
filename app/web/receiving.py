"""From a multipart request to files in an exam's folder, while it arrives.

The framework's own form parser keeps every file open until the last one has come, below one megabyte in memory: a
thin-slice exam then costs its whole size in memory, or a thousand descriptors. Here each file is written where it will
be read, and closed when it ends.
"""

import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from email.errors import HeaderParseError
from email.header import decode_header
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from app.ct.errors import NoFiles, TooLarge, TooManyFiles, UnsupportedType
from app.ct.words import sentence
from app.exam_folder import ExamFolder, Wish
from app.kept import Sent
from app.storage import room
from app.uploads import MEGABYTE, Limits
from app.web.problems import InvalidRequest

FIELD = b"files"
_WISHES = (b"slices", b"series_instance_uid")
"""What is asked for in the address."""
BLOCK_BYTES = MEGABYTE
_LONGEST_BOUNDARY = 70
"""Source: RFC 2046, 5.1.1."""
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "gb2312", "gbk", "gb18030"})
"""Of names that say theirs; some of Python's other codecs give what is no text."""
_EXTENDED_KEY = re.compile(rb"filename\*\s*=", re.IGNORECASE)
_EXTENDED = re.compile(r"([\w-]+)'[^']*'((?:[^%]|%[0-9a-f]{2})+)", re.ASCII | re.IGNORECASE)
"""Source: RFC 5987, 3.2.1."""
_ENCODED_WORDS = re.compile(
    r"=\?([\w-]+)\?[bq]\?[!->@-~]+\?=(?: +=\?\1\?[bq]\?[!->@-~]+\?=)*", re.ASCII | re.IGNORECASE
)
"""Source: RFC 2047, 2."""


async def small_body(request: Request, *, most: int) -> bytes:
    """The whole body of a request that is no upload.

    Raises:
        TooLarge: it has more than ``most`` bytes.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(sentence("At most {most} bytes are taken here.", most=most))
    return bytes(body)


def _decode(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _file_name(disposition: bytes, options: Mapping[bytes, bytes]) -> str:
    """The name of a part's file; empty where there is none that can be read. The parser bounds a header's length."""
    # The parser passes over extended names, since RFC 7578 (4.2) forbids them in forms; clients send them all the same.
    plain = _decode(options.get(b"filename", b""))
    renamed = _EXTENDED_KEY.sub(b"filename-extended=", disposition)
    extended = b"" if renamed == disposition else parse_options_header(renamed)[1].get(b"filename-extended", b"")
    return _extended(_decode(extended)) or _encoded(plain) or plain


def _extended(value: str) -> str:
    """What ``utf-8''%E8%82%BA.jpg`` says; empty where it says nothing."""
    found = _EXTENDED.fullmatch(value)
    return "" if found is None else _text(unquote_to_bytes(found[2]), found[1])


def _encoded(value: str) -> str:
    """What ``=?utf-8?B?6IK6LmpwZw==?=``, as .NET writes it, says; empty where the value is not encoded."""
    found = _ENCODED_WORDS.fullmatch(value)
    if found is None:
        return ""
    try:
        ((content, _),) = decode_header(value)
    except (HeaderParseError, ValueError):
        return ""
    return _text(content, found[1])


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset) if charset.lower() in _CHARSETS else ""
    except UnicodeDecodeError:
        return ""


class _FormWriter:
    """Writes the files of a form as the parser finds them."""

    def __init__(self, folder: ExamFolder, boundary: bytes, *, max_files: int) -> None:
        self.names: list[str] = []
        self.digests = bytearray()
        self._folder, self._max_files = folder, max_files
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._is_nameless = self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda chunk, start, end: self._header.extend(chunk[start:end]),
                "on_header_value": lambda chunk, start, end: self._value.extend(chunk[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._write,
                "on_part_end": self.close,
                "on_end": self._end,
            },
        )

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        with room():
            self._parser.write(block)

    def finish(self) -> None:
        """Check that the form was whole."""
        if not self._is_whole:
            raise InvalidRequest(sentence("The form is cut off."))

    def close(self) -> None:
        """Close the file being written."""
        if self._file is not None:
            with room():
                self._file.close()
            self._file = None
            self.digests += self._digest.digest()

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = _file_name(self._disposition, options)
        if not name:  # a plain field, or the empty file a browser sends for an untouched file input
            if options.get(b"name") in _WISHES:
                raise InvalidRequest(
                    sentence(
                        "`slices` and `series_instance_uid` belong into the address (`?slices=16`), not into the form."
                    )
                )
            self._is_nameless = options.get(b"name") == FIELD
            return
        if options.get(b"name") != FIELD:
            raise NoFiles(sentence("A file came in another field than `files`."))
        if len(self.names) >= self._max_files:
            raise TooManyFiles(sentence("One upload may hold {most} files.", most=self._max_files))
        self.names.append(name)
        self._file, self._digest = self._folder.new_original(len(self.names)), hashlib.sha256()

    def _write(self, chunk: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(chunk[start:end])
            self._digest.update(chunk[start:end])
        elif self._is_nameless and end > start:
            raise InvalidRequest(
                sentence("A part of the field `files` has no file name (`filename=`), so what it is cannot be known.")
            )

    def _end(self) -> None:
        self._is_whole = True


def check_headers(request: Request, limits: Limits) -> None:
    """Refuse what the headers already show to be wrong.

    Raises:
        UnsupportedType: not a form with files.
        TooLarge: Content-Length is over the limit.
    """
    _boundary(request)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.max_upload_mb * MEGABYTE:
        raise _too_large(limits)


async def receive(request: Request, folder: ExamFolder, *, wish: Wish, limits: Limits) -> Sent:
    """Write the form's files into ``folder`` and seal it; on any failure nothing is left there.

    Raises:
        NoFiles, TooLarge, TooManyFiles, InvalidRequest: what came cannot be an exam.
        StorageFull: the disk is full.
    """
    start = time.perf_counter()
    writer = _FormWriter(folder, _boundary(request), max_files=limits.max_files)
    try:
        await run_in_threadpool(folder.create)
        await _write_form(request, writer, limits)
        await run_in_threadpool(folder.seal, writer.names, wish)
    except BaseException:
        try:
            writer.close()
        finally:  # Also where the disk has no room for what was to be written last.
            await run_in_threadpool(folder.erase)
        raise
    return sent(writer.names, bytes(writer.digests), wish, since=start)


def sent(names: Sequence[str], digests: bytes, wish: Wish, *, since: float) -> Sent:
    """What has come, from the files' names and SHA-256 digests in the order sent; ``since`` is of ``perf_counter``."""
    asked = json.dumps([digests.hex(), list(names), asdict(wish)])
    return Sent(
        len(names),
        time.perf_counter() - since,
        input_sha256=hashlib.sha256(digests).hexdigest(),
        request_sha256=hashlib.sha256(asked.encode()).hexdigest(),
    )


async def _write_form(request: Request, writer: _FormWriter, limits: Limits) -> None:
    try:
        async for block in _blocks(request, limits):
            await run_in_threadpool(writer.feed, block)
    except FormParserError as error:
        raise InvalidRequest(sentence("The form is malformed.")) from error
    writer.finish()
    if not writer.names:
        raise NoFiles


async def _blocks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body in blocks of about a megabyte, counted as they come."""
    total, block = 0, bytearray()
    async for chunk in request.stream():
        total += len(chunk)
        if total > limits.max_upload_mb * MEGABYTE:
            raise _too_large(limits)
        block += chunk
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise UnsupportedType(
            sentence("The request is not a form (multipart/form-data) with its files in the field `files`.")
        )
    return boundary


def _too_large(limits: Limits) -> TooLarge:
    return TooLarge(sentence("One upload may hold {most} MB.", most=limits.max_upload_mb))
