# SPDX-License-Identifier: BSD-2-Clause
"""Writes initramfs archives (cpio "newc"); the kernel unpacks several one after the other."""
import os
import stat
from pathlib import Path


class Archive:
    """Entries by guest path; folders appear as they are needed, a later entry replaces an earlier.

        archive = Archive()
        archive.file("/init", b"#!/bin/sh\\n", 0o755)
        archive.symlink("/bin/sh", "dash")
        data = archive.pack()
    """

    def __init__(self):
        self._entries: dict[str, tuple[int, bytes]] = {}

    def folder(self, path: str) -> None:
        path = path.strip("/")
        if path and path not in self._entries:
            self.folder(os.path.dirname(path))
            self._entries[path] = (stat.S_IFDIR | 0o755, b"")

    def _put(self, path: str, mode: int, data: bytes) -> None:
        path = path.strip("/")
        self.folder(os.path.dirname(path))
        self._entries[path] = (mode, data)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._put(path, stat.S_IFREG | mode, data)

    def symlink(self, path: str, target: str) -> None:
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def copy(self, source: Path, path: str) -> None:
        """A file's content; symlinks on the host are followed."""
        self.file(path, source.read_bytes(), 0o755 if os.access(source, os.X_OK) else 0o644)

    def tree(self, source: Path, path: str) -> None:
        for item in sorted(source.rglob("*")):
            if item.is_file():
                self.copy(item, f"{path}/{item.relative_to(source)}")

    def __contains__(self, path: str) -> bool:
        return path.strip("/") in self._entries

    def pack(self) -> bytes:
        out = bytearray()
        for number, (name, (mode, data)) in enumerate(self._entries.items(), 1):
            self._entry(out, number, name, mode, data)
        self._entry(out, 0, "TRAILER!!!", 0, b"")
        return bytes(out)

    @staticmethod
    def _entry(out: bytearray, inode: int, name: str, mode: int, data: bytes) -> None:
        raw = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
