"""Samples from tar archives, as WebDataset names them, and whether an archive is whole."""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

CHUNK = 1 << 20
"""Bytes that are read at a time after the end of an archive."""

MEMBER = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
"""The key of a sample and its member's suffix: split at the first dot of the base name, as
webdataset 1.0 does."""


class DamagedTarError(Exception):
    """An archive that is damaged, cut off, or out of order; says which, and why."""


def read_samples(file: Path, ignored: Counter[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Every sample of an archive: its key, and its members by suffix in lower case.

    The members of a sample stand together in it, as WebDataset requires. Its own reader is not used
    here: it takes an archive that was cut off between two members for a whole one.

    Args:
        ignored: members that belong to no sample are counted here.

    Raises:
        DamagedTarError: the archive is damaged or cut off, or the members of a sample stand apart.
    """
    key, parts = "", dict[str, bytes]()
    # Hashes, so that memory does not grow with the lengths of the names.
    seen: set[int] = set()
    # Opening a pipe could wait for ever.
    if not file.is_file():
        raise DamagedTarError(f"{file}: is not a regular file")
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                match = MEMBER.match(member.name)
                if member.isdir():
                    continue
                if match is None or "/__MACOSX/" in f"/{member.name}":
                    ignored["hidden members, or members without a suffix"] += 1
                    continue
                handle = archive.extractfile(member)
                if handle is None:
                    ignored["members that are no files"] += 1
                    continue
                if match[1] != key:
                    if parts:
                        yield key, parts
                    key, parts = match[1], {}
                    if hash(key) in seen:
                        raise DamagedTarError(_apart(file, key, member.name))
                    seen.add(hash(key))
                if (suffix := match[2].lower()) in parts:
                    raise tarfile.ReadError(f"the sample {key} has two members .{suffix}")
                parts[suffix] = handle.read()
            _check_end(archive)
    except (tarfile.TarError, EOFError, OSError, KeyError, zlib.error, lzma.LZMAError) as error:
        # Where no kind of compression fits, `tarfile` lists them all.
        reason = str(error).partition(":\n")[0]
        raise DamagedTarError(
            f"{file}: not a whole tar file ({reason}); fetch or write it again"
        ) from None
    if parts:
        yield key, parts


def _apart(file: Path, key: str, name: str) -> str:
    """What is wrong with an archive in which a sample comes back after another one."""
    return (
        f"{file}: the member {name} stands apart from the others of its sample {key}; write the "
        f"files of a sample one after the other, as `tar --sort=name -cf {file.name} FOLDER` does"
    )


def _check_end(archive: tarfile.TarFile) -> None:
    """Whether blocks of zeros alone end the archive; `tarfile` takes a file that is cut or damaged
    for a shorter one, and stops at the first block of zeros.

    Raises:
        tarfile.ReadError: it does not.
    """
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    block = archive.fileobj.read(tarfile.BLOCKSIZE)
    if block != bytes(tarfile.BLOCKSIZE):
        where = "it ends" if len(block) < tarfile.BLOCKSIZE else "its next member is damaged"
        raise tarfile.ReadError(f"{where} at byte {archive.offset}, without the end of an archive")
    # To the end of the file: of a compressed one, this also compares the checksum.
    while block := archive.fileobj.read(CHUNK):
        if block.strip(b"\0"):
            where = f"the end of the archive at byte {archive.offset}"
            raise tarfile.ReadError(f"further data follow {where}")
