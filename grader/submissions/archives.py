"""Archives, read in the process of `unpacker`: what lies in them, and members one by one under caps.

Zip and tar (plain, gz, xz) are read; nothing is ever written to a disk. Links and devices are named and never followed.
What would need a program of its own to be opened (7z, rar) is refused by name.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO

RATIO, RATIO_FROM = 200, 16 << 20  # a member above the second that packs better than the first is no honest one
MAX_TAR = 256 << 20  # bytes of a tar, unpacked
CHUNK = 1 << 20
FILE, FOLDER, LINK, SPECIAL = "file", "folder", "link", "special"
CODE_PAGES = ("cp437", "cp850", "cp852", "cp866", "cp932", "cp936", "cp949", "cp950", "cp1250", "cp1251", "cp1252")
NEVER_OPENED = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}
Entry = tuple[str, int, str]  # name, bytes, kind


class Unopened(ValueError):
    """An archive that is not opened, and why."""


class Archive(ABC):
    """Members by number; `said` holds sentences about how names were read."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @abstractmethod
    def entries(self) -> list[Entry]:
        """Every member, in the order of the archive."""

    @abstractmethod
    def read(self, number: int, cap: int) -> bytes:
        """At most `cap` + 1 bytes of a member; raises `OSError`."""


def opened(file: BinaryIO, name: str, most: int, encoding: str | None = None) -> Archive:
    """The archive of this name; raises `ValueError` where it is none that can be read, or has above `most` members."""
    start = file.read(512)
    file.seek(0)
    for magic, kind in NEVER_OPENED.items():
        if start.startswith(magic):
            raise Unopened(f"is a {kind} archive, which is not opened here; a .zip is")
    try:
        return _opened(file, name, start, most, encoding)
    except (Unopened, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - struct.error, OverflowError and many others; all mean the same
        raise Unopened(f"is damaged, or not the archive that its name says ({type(error).__name__})") from None


def _opened(file: BinaryIO, name: str, start: bytes, most: int, encoding: str | None) -> Archive:
    if start.startswith(b"\x1f\x8b"):
        return _unwrapped(gzip.GzipFile(fileobj=file), name, most)
    if start.startswith(b"\xfd7zXZ\x00"):
        return _unwrapped(lzma.LZMAFile(file), name, most)
    if start.startswith(b"BZh"):
        return _unwrapped(bz2.BZ2File(file), name, most)
    if start[257:262] == b"ustar" or name.lower().endswith(".tar"):
        return Tar(_Bytes(_all_of(file)), most)
    return Zip(file, most, encoding)


def _unwrapped(stream: Any, name: str, most: int) -> Archive:
    """What a compressed stream holds: a tar, or a single file."""
    data = _all_of(stream)
    if data[257:262] == b"ustar":
        return Tar(_Bytes(data), most)
    return Single(PurePosixPath(name).stem, data)


def _all_of(stream: Any) -> bytearray:
    data = bytearray()
    while chunk := stream.read(CHUNK):
        data += chunk
        if len(data) > MAX_TAR:
            raise Unopened(f"unpacks to more than {MAX_TAR >> 20} MB")
    return data


class _Bytes:
    """Just enough of a file for tarfile, over bytes that are not copied."""

    def __init__(self, data: bytearray) -> None:
        self.data, self.at = data, 0

    def read(self, count: int = -1) -> bytes:
        end = len(self.data) if count < 0 else self.at + count
        piece = bytes(self.data[self.at : end])
        self.at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = max(0, offset + (0, self.at, len(self.data))[whence])
        return self.at

    def tell(self) -> int:
        return self.at


class Single(Archive):
    """One file in a compressed stream, under the name without the last suffix."""

    def __init__(self, name: str, data: bytearray) -> None:
        super().__init__()
        self.name, self.data = name, data

    def entries(self) -> list[Entry]:
        return [(self.name, len(self.data), FILE)]

    def read(self, number: int, cap: int) -> bytes:
        return bytes(self.data[: cap + 1])


class Tar(Archive):
    """A tar, held unpacked."""

    def __init__(self, file: Any, most: int) -> None:
        super().__init__()
        self.tar = tarfile.TarFile(fileobj=file, encoding="utf-8", errors="surrogateescape")
        self.members = list(self._members(most))

    def _members(self, most: int) -> Iterator[tarfile.TarInfo]:
        for number, member in enumerate(self.tar):
            if number >= most:
                raise Unopened(f"holds more than {most} entries")
            yield member

    def entries(self) -> list[Entry]:
        return [(m.name, m.size, _kind_of_tar(m)) for m in self.members]

    def read(self, number: int, cap: int) -> bytes:
        try:
            member = self.tar.extractfile(self.members[number])
            return b"" if member is None else member.read(cap + 1)
        except Exception as error:  # noqa: BLE001 - tarfile's and others; all mean the same
            raise OSError(f"it is damaged ({type(error).__name__})") from None


def _kind_of_tar(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return LINK
    return FILE if member.isreg() else FOLDER if member.isdir() else SPECIAL


class Zip(Archive):
    """A zip, of which members are read one by one."""

    def __init__(self, file: BinaryIO, most: int, encoding: str | None) -> None:
        super().__init__()
        self.zip = zipfile.ZipFile(file)
        self.members = self.zip.infolist()
        if len(self.members) > most:
            raise Unopened(f"holds more than {most} entries")
        self.names = self._names(encoding)

    def entries(self) -> list[Entry]:
        return [(name, m.file_size, _kind_of_zip(m)) for name, m in zip(self.names, self.members, strict=True)]

    def _names(self, encoding: str | None) -> list[str]:
        """The members' names; those not marked as UTF-8 are read as what their bytes are, for all in one way.

        Where UTF-8 was taken for cp437 and then marked, that is undone: no name has box-drawing characters.
        """
        raw = {i: m.orig_filename.encode("cp437") for i, m in enumerate(self.members) if not m.flag_bits & 0x800}
        odd = {i: data for i, data in raw.items() if not data.isascii()}
        named = {i: name for i in odd if (name := _unicode_path(self.members[i])) is not None}
        odd = {i: data for i, data in odd.items() if i not in named}
        page = encoding or ("utf-8" if all(map(_is_utf8, odd.values())) else "cp437")
        if odd and page != "utf-8":
            self.said.append(f"names are not marked as UTF-8 and were read as {page}; --zip-encoding says another")
        named |= {i: data.decode(page, "replace") for i, data in odd.items()}
        names = [named.get(i) or _undone(m.filename) for i, m in enumerate(self.members)]
        return [unicodedata.normalize("NFC", name) for name in names]

    def read(self, number: int, cap: int) -> bytes:
        member = self.members[number]
        if member.flag_bits & 1:
            raise OSError("it is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise OSError("it is packed in a rare way; make an ordinary zip")  # bz2 and lzma grow without a bound
        if min(member.file_size, cap) > RATIO_FROM and member.file_size > RATIO * max(member.compress_size, 1):
            raise OSError(f"it unpacks to more than {RATIO} times its size")
        try:
            with self.zip.open(member) as stream:
                return _read_up_to(stream, cap + 1)
        except Exception as error:  # noqa: BLE001 - zipfile and zlib have many errors; all mean the same
            raise OSError(f"it is damaged ({type(error).__name__})") from None


def _read_up_to(stream: IO[bytes], count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (chunk := stream.read(min(CHUNK, count - len(data)))):
        data += chunk
    return bytes(data)


def _kind_of_zip(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.is_dir() or stat.S_ISDIR(kind) or member.filename.endswith("\\"):
        return FOLDER
    if stat.S_ISLNK(kind):
        return LINK
    return FILE if not kind or stat.S_ISREG(kind) else SPECIAL


def _unicode_path(member: zipfile.ZipInfo) -> str | None:
    """Info-ZIP's extra field 0x7075: the name in UTF-8, valid where the checksum is that of the plain name."""
    extra, at = member.extra, 0
    while at + 4 <= len(extra):
        kind, size = (int.from_bytes(extra[i : i + 2], "little") for i in (at, at + 2))
        body, at = extra[at + 4 : at + 4 + size], at + 4 + size
        if kind == 0x7075 and body[:1] == b"\1" and _is_utf8(body[5:]):
            of_this_name = int.from_bytes(body[1:5], "little") == zlib.crc32(member.orig_filename.encode("cp437"))
            return body[5:].decode() if of_this_name else None
    return None


def _undone(name: str) -> str:
    """A name of which UTF-8 was read as cp437, as it was meant; any other as it is."""
    try:
        return name if name.isascii() else name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def preload() -> None:
    """Load what is needed later: behind the walls no file is opened."""
    for page in ("utf-8", "utf-8-sig", "ascii", "latin-1", "utf-16", "utf-32", "idna", *CODE_PAGES):
        codecs.lookup(page)
