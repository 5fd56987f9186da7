"""A small S3 on loopback: objects in memory, list, ranges, conditional puts, multipart."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape


class Store(ThreadingHTTPServer):
    """Objects by bucket and key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.lock = threading.Lock()
        self.is_conditional = True  # False: as older stores, it overwrites whatever is there
        self.deaf_to: str | None = None  # the first put of a key with this in it is done, but not answered
        self.hold_at: str | None = None  # a put of a key with this in it is not done until `released`, nor then
        self.reached, self.released = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[Store]:
    """A store that answers until the block ends."""
    store = Store()
    thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        thread.join()
        store.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def parts_of_url(self) -> tuple[str, dict[str, str]]:
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        return unquote(url.path).lstrip("/"), query

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            sent = b"".join(iter(self.chunk, b""))
        else:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return _unchunked(sent) if "aws-chunked" in self.headers.get("Content-Encoding", "") else sent

    def chunk(self) -> bytes:
        payload = self.rfile.read(int(self.rfile.readline().split(b";")[0], 16))
        self.rfile.readline()
        return payload

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        key, query = self.parts_of_url()
        if "list-type" in query:
            self.answer(200, self.listing(key.strip("/"), query), Content_Type="application/xml")
        elif "/" not in key.strip("/"):
            self.answer(200)
        elif key not in self.server.objects:
            self.refuse(404, "NoSuchKey")
        else:
            self.send_object(self.server.objects[key])

    def send_object(self, payload: bytes) -> None:
        facts = {"ETag": _etag(payload), "Last_Modified": formatdate(0, usegmt=True), "Accept_Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted is None:
            self.answer(200, payload, Content_Length=str(len(payload)), **facts)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(payload) - int(last))
        end = min(int(last), len(payload) - 1) if first and last else len(payload) - 1
        self.answer(206, payload[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(payload)}", **facts)

    def listing(self, bucket: str, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("start-after", "")
        with self.server.lock:
            objects = dict(self.server.objects)
        keys = sorted(k.removeprefix(f"{bucket}/") for k in objects if k.startswith(f"{bucket}/"))
        folders, rows = set(), []
        for key in (k for k in keys if k.startswith(prefix) and k > after):
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                payload = objects[f"{bucket}/{key}"]
                rows.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(payload)}</Size><ETag>{_etag(payload)}</ETag>"
                    "<LastModified>2021-07-12T00:00:00.000Z</LastModified></Contents>"
                )
        common = "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders))
        return (
            f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>"
            f"<KeyCount>{len(rows) + len(folders)}</KeyCount>{''.join(rows)}{common}</ListBucketResult>"
        ).encode()

    def do_PUT(self) -> None:
        key, query = self.parts_of_url()
        payload = self.body()
        if self.server.hold_at and self.server.hold_at in key:
            self.server.reached.set()
            self.server.released.wait(30)
            self.close_connection = True
            return
        if "partNumber" in query:
            self.server.parts[query["uploadId"]][int(query["partNumber"])] = payload
            self.answer(200, ETag=_etag(payload))
            return
        with self.server.lock:
            is_taken = self.headers.get("If-None-Match") == "*" and key in self.server.objects
            if is_taken and self.server.is_conditional:
                self.refuse(412, "PreconditionFailed")
                return
            self.server.objects[key] = payload
        if self.server.deaf_to and self.server.deaf_to in key:
            self.server.deaf_to, self.close_connection = None, True
            return
        self.answer(200, ETag=_etag(payload))

    def do_POST(self) -> None:
        key, query = self.parts_of_url()
        sent = self.body()
        if "delete" in query:
            named = re.findall(rb"<Key>(.*?)</Key>", sent)
            for found in named:
                self.server.objects.pop(f"{key.strip('/')}/{unescape(found.decode())}", None)
            told = b"".join(b"<Deleted><Key>" + found + b"</Key></Deleted>" for found in named)
            self.answer(200, b"<DeleteResult>" + told + b"</DeleteResult>")
            return
        if "uploads" in query:
            name = f"upload-{len(self.server.parts)}"
            self.server.parts[name] = {}
            result = f"<Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            self.answer(200, f"<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>".encode())
            return
        parts = self.server.parts.pop(query["uploadId"])
        self.server.objects[key] = b"".join(parts[n] for n in sorted(parts))
        result = f"<Key>{escape(key)}</Key><ETag>{_etag(self.server.objects[key])}</ETag>"
        self.answer(200, f"<CompleteMultipartUploadResult>{result}</CompleteMultipartUploadResult>".encode())

    def do_DELETE(self) -> None:
        key, _ = self.parts_of_url()
        self.server.objects.pop(key, None)
        self.answer(204)


def _etag(payload: bytes) -> str:
    return f'"{hashlib.md5(payload).hexdigest()}"'


def _unchunked(sent: bytes) -> bytes:
    """Payload of an `aws-chunked` body: size;…CRLF bytes CRLF, ended by a chunk of size 0."""
    payload, rest = b"", sent
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        if size == 0:
            break
        payload, rest = payload + rest[:size], rest[size + 2 :]
    return payload
