"""Bytes under the lake's URL: put is atomic, so a reader sees all of a file or none of it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from uuid import uuid4

from urbancast.core.errors import ContractError, NotReadyError
from urbancast.lake import remote


class Files(Protocol):
    """Bytes by their path relative to the lake."""

    def put(self, path: str, payload: bytes) -> None:
        """Write all bytes at once, replacing what was there."""

    def get(self, path: str) -> bytes:
        """Bytes at a path; NotReadyError when there are none."""

    def exists(self, path: str) -> bool:
        """Whether there are bytes at a path."""

    def remove(self, path: str) -> None:
        """Remove the bytes at a path, where there are any."""

    def list(self, path: str = "") -> list[str]:
        """Paths of all files below a folder, sorted, relative to the lake."""

    def sizes(self, path: str = "") -> dict[str, int]:
        """Bytes of each file below a folder, by its path relative to the lake."""


def open_files(url: str) -> Files:
    """Files of a local folder or of an ``s3://bucket/prefix`` URL."""
    return ObjectFiles(url) if "://" in url else FolderFiles(Path(url))


def _inside(path: str) -> PurePosixPath:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise ContractError(f"files.path: expected a path inside the lake, found {path!r}; write it without '..'")
    return relative


class FolderFiles:
    """Files of a local folder; a put is a temporary file renamed."""

    def __init__(self, root: Path) -> None:
        """Keep the folder; it is created at the first put."""
        self.root = root

    def put(self, path: str, payload: bytes) -> None:
        """Write all bytes at once, replacing what was there."""
        target = self.root / _inside(path)
        draft = target.with_name(f".{target.name}.{uuid4().hex}.part")
        with remote.told(str(self.root)):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with draft.open("wb") as handle:
                    handle.write(payload)
                    handle.flush()
                    os.fsync(handle.fileno())
                draft.replace(target)
            except OSError:
                draft.unlink(missing_ok=True)  # half a file would fill the disk further
                raise

    def get(self, path: str) -> bytes:
        """Bytes at a path; NotReadyError when there are none."""
        try:
            return (self.root / _inside(path)).read_bytes()
        except FileNotFoundError as error:
            raise NotReadyError(f"files: expected bytes at {path}, found none; write them first") from error

    def exists(self, path: str) -> bool:
        """Whether there are bytes at a path."""
        return (self.root / _inside(path)).is_file()

    def remove(self, path: str) -> None:
        """Remove the bytes at a path, where there are any."""
        (self.root / _inside(path)).unlink(missing_ok=True)

    def list(self, path: str = "") -> list[str]:
        """Paths of all files below a folder, sorted, relative to the lake."""
        folder = self.root / _inside(path)
        found = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".part"))
        return sorted(p.relative_to(self.root).as_posix() for p in found)

    def sizes(self, path: str = "") -> dict[str, int]:
        """Bytes of each file below a folder, by its path relative to the lake."""
        return {name: (self.root / name).stat().st_size for name in self.list(path)}


class ObjectFiles:
    """Files of an object store; a put of one object is atomic there."""

    def __init__(self, url: str) -> None:
        """Open by the environment alone (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL, …)."""
        self._url = url
        with remote.told(url):
            self._store, self._root = _object_store(url)

    def put(self, path: str, payload: bytes) -> None:
        """Write all bytes at once, replacing what was there."""
        with remote.told(self._url), self._store.open_output_stream(self._at(path)) as stream:
            stream.write(payload)

    def get(self, path: str) -> bytes:
        """Bytes at a path; NotReadyError when there are none."""
        try:
            with remote.told(self._url), self._store.open_input_stream(self._at(path)) as stream:
                return bytes(stream.read())
        except FileNotFoundError as error:
            raise NotReadyError(f"files: expected bytes at {path}, found none; write them first") from error

    def exists(self, path: str) -> bool:
        """Whether there are bytes at a path."""
        with remote.told(self._url):
            return bool(self._store.get_file_info(self._at(path)).is_file)

    def remove(self, path: str) -> None:
        """Remove the bytes at a path, where there are any."""
        with remote.told(self._url):
            if self.exists(path):
                self._store.delete_file(self._at(path))

    def list(self, path: str = "") -> list[str]:
        """Paths of all files below a folder, sorted, relative to the lake."""
        return sorted(self.sizes(path))

    def sizes(self, path: str = "") -> dict[str, int]:
        """Bytes of each file below a folder, by its path relative to the lake."""
        from pyarrow.fs import FileSelector

        with remote.told(self._url):
            found = self._store.get_file_info(FileSelector(self._at(path), recursive=True, allow_not_found=True))
        return {str(info.path)[len(self._root) + 1 :]: int(info.size) for info in found if info.is_file}

    def _at(self, path: str) -> str:
        relative = _inside(path).as_posix()
        return self._root if relative == "." else f"{self._root}/{relative}"


def _object_store(url: str) -> tuple[Any, str]:
    from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem, S3FileSystem

    scheme, _, rest = url.partition("://")
    if scheme not in {"s3", "s3a"}:
        try:
            store, root = FileSystem.from_uri(url)
        except ValueError as error:  # pyarrow's ArrowInvalid is one
            raise ContractError(f"lake: expected a folder, file:// or s3:// URL, found {url!r}; name one") from error
        return store, root.rstrip("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {
        "retry_strategy": AwsStandardS3RetryStrategy(max_attempts=3),
        "connect_timeout": 5.0,
        "request_timeout": 10.0,
        "allow_delayed_open": True,  # a small file is one request
    }
    if endpoint:
        options |= {"endpoint_override": endpoint.partition("://")[2], "scheme": endpoint.partition("://")[0]}
    return S3FileSystem(region=remote.region(), **options), rest.rstrip("/")
