"""A lake on S3, or on a full disk: settings that are safe with several writers, and errors that say what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from urbancast.core.errors import ContractError, NotReadyError, UrbancastError

SCHEMES = ("s3://", "s3a://")
# A commit is a put that fails where the object is there already; a store that hangs is given up in seconds.
DEFAULTS = {
    "AWS_CONDITIONAL_PUT": "etag",
    "connect_timeout": "5s",
    "timeout": "60s",
    "max_retries": "4",
    "retry_timeout": "30s",
}
UNSAFE = "AWS_S3_ALLOW_UNSAFE_RENAME"
_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_")
_CREDENTIALS = (
    "ACCESS_DENIED|AccessDenied|Forbidden|INVALID_ACCESS_KEY_ID|InvalidAccessKeyId|SIGNATURE|SignatureDoesNotMatch|"
    "CREDENTIAL|credential|INVALID_CLIENT_TOKEN_ID|EXPIRED_TOKEN|ExpiredToken|UNRECOGNIZED_CLIENT|api/token"
)
_BUCKET = "NO_SUCH_BUCKET|NoSuchBucket"
_FULL = re.compile(r"No space left on device|Disk quota exceeded|XMinioStorageFull|os error (28|122)\b")
_NETWORK = "NETWORK_CONNECTION|curlCode|[Cc]onnect|[Tt]imed? ?out|TIMEOUT|HTTP error|dns error"


def options(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Storage options of a lake's URL; none of a folder. What the environment says goes before the defaults."""
    if "://" not in url:
        return {}
    given = {name: value for name, value in environment.items() if name.startswith(_ENVIRONMENT)}
    if not url.startswith(SCHEMES):
        return given
    if given.get(UNSAFE, "").lower() in {"true", "1", "yes", "on"}:
        raise ContractError(
            f"{UNSAFE}: expected it unset, found {given[UNSAFE]!r}; two writers could lose a commit: unset it, and use "
            "a store with conditional puts (If-None-Match)"
        )
    is_plain = given.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return {**DEFAULTS, **({"AWS_ALLOW_HTTP": "true"} if is_plain else {}), **given}


def of_reader(given: Mapping[str, str]) -> dict[str, str] | None:
    """The options that polars understands as well."""
    return {name: value for name, value in given.items() if name.startswith(_ENVIRONMENT)} or None


@contextmanager
def told(url: str) -> Iterator[None]:
    """Errors of a remote store, or of a full disk, in our words: ContractError to mend, NotReadyError to try again."""
    try:
        yield
    except UrbancastError:
        raise
    except (OSError, DeltaError) as error:
        if _FULL.search(str(error)):
            raise _full(url) from error
        if isinstance(error, FileNotFoundError | CommitFailedError | TableNotFoundError):
            raise
        if "://" not in url or (isinstance(error, DeltaError) and not re.search("S3 error|HTTP", str(error))):
            raise
        raise _clear(url, str(error)) from error


def require_conditional(url: str) -> None:
    """ContractError where the store replaces what a conditional put must find: two writers would lose a commit."""
    try:
        import boto3  # only who makes a lake there needs it
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:
        raise ContractError(
            f"lake {url}: expected boto3 to try the store, found none; install urbancast[s3]"
        ) from error
    bucket, _, prefix = url.partition("://")[2].partition("/")
    name = {"Bucket": bucket, "Key": f"{prefix}/_probe-{uuid4().hex}".lstrip("/")}
    patience = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2}, s3={"addressing_style": "path"})
    try:
        store = boto3.client("s3", region_name=region(), config=patience)
        store.put_object(**name, Body=b"first", IfNoneMatch="*")
        try:
            store.put_object(**name, Body=b"second", IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {409, 412}:
                raise
        else:
            raise ContractError(
                f"lake {url}: expected a store that refuses a put where an object is already (If-None-Match), found "
                "one that replaces it: two writers would lose commits; use a newer store"
            )
        finally:
            store.delete_object(**name)
    except (BotoCoreError, ClientError) as error:
        raise _clear(url, str(error)) from error


def region() -> str | None:
    """Region by the environment."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _full(url: str) -> NotReadyError:
    return NotReadyError(
        f"lake {url}: expected room to write, found the disk full; free space, or move the lake to a larger disk "
        "(`urbancast backup`, `urbancast restore`), then run again: what was written and served stays as it is"
    )


def _clear(url: str, said: str) -> UrbancastError:
    bucket = url.partition("://")[2].partition("/")[0]
    why = _last_line(said)
    if re.search(_BUCKET, said):
        action = f"create bucket {bucket}, or correct URBANCAST_LAKE"
        return ContractError(f"lake {url}: expected bucket {bucket} to exist, found none; {action}")
    if re.search(_CREDENTIALS, said):
        return ContractError(
            f"lake {url}: expected the store to accept our key, found it refused ({why}); set AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_REGION of a user who may read, write and list that bucket"
        )
    if re.search(_NETWORK, said):
        return NotReadyError(
            f"lake {url}: expected the store to answer, found {why}; check AWS_ENDPOINT_URL and the network, run again"
        )
    return NotReadyError(f"lake {url}: expected the store to do as asked, found {why}; see the store's own log")


def _last_line(said: str) -> str:
    """The most exact part of a nested message, without colours, at most 200 characters."""
    plain = re.sub(r"\x1b\[[0-9;]*m|↳", "", said)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing said"
