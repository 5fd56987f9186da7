"""Arrays and a few facts as one file: a zip of .npy members, never a pickle, the same bytes for the same content."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from urbancast.core.errors import ContractError

_HEAD = "head.json"


def pack(head: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """Bytes of arrays and a JSON head."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=5) as folder:
        folder.writestr(zipfile.ZipInfo(_HEAD), json.dumps(head, sort_keys=True), zipfile.ZIP_DEFLATED)
        for name, values in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(values), allow_pickle=False)
            folder.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def unpack(packed: bytes, names: Iterable[str], *, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Head and arrays of ``pack``; ContractError names the ``kind`` where they are not there."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as folder:
            head = json.loads(folder.read(_HEAD))
            arrays = {
                name: np.lib.format.read_array(io.BytesIO(folder.read(f"{name}.npy")), allow_pickle=False)
                for name in names
            }
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ContractError(f"{kind}: expected what dump wrote, found {error}; pull the roads again") from error
    return head, arrays
