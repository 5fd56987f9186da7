"""Keys are shown once, kept hashed, found only whole, and ended for good."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from urbancast.core.errors import ContractError, QueryError
from urbancast.lake import audit, backup, keys
from urbancast.lake.files import open_files
from urbancast.lake.secret import PATH, session_secret
from urbancast.lake.store import Lake


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Keys in force of a lake, and the text of one."""
    from datetime import UTC, datetime

    lake = Lake.open(tmp_path_factory.mktemp("keys"))
    _, text = keys.new(lake, name="ana", role="operator", at=datetime(2026, 1, 1, tzinfo=UTC))
    return keys.active(lake), text


def test_a_key_opens_with_its_whole_text_alone(known):
    in_force, text = known
    assert keys.verify(in_force, text).name == "ana"
    for wrong in ("", "uc_", text[:-1], text + "a", text[:-1] + ("a" if text[-1] != "a" else "b"), text.upper(), "é"):
        assert keys.verify(in_force, wrong) is None
    assert keys.verify({}, text) is None


@given(text=st.text(max_size=120))
def test_no_text_is_taken_for_a_key_that_has_not_its_form(text):
    found = keys.split(text)
    assert found is None or f"uc_{found[0]}_{found[1]}" == text


def test_an_unknown_key_costs_what_a_wrong_one_does(known, monkeypatch):
    in_force, text = known
    asked = []
    verify = type(keys._hasher()).verify

    def spied(self, stored, password):
        asked.append(stored.split("$")[1:4])
        return verify(self, stored, password)

    monkeypatch.setattr(type(keys._hasher()), "verify", spied)
    for one in (text, text[:3] + "a" * 12 + text[15:], "no key at all"):
        keys.verify(in_force, one)
    assert asked == [["argon2id", "v=19", "m=19456,t=2,p=1"]] * 3


def test_the_secret_stands_nowhere_in_the_lake(lake, at):
    key, text = keys.new(lake, name="ana", role="reader", at=at())
    secret = keys.split(text)[1].encode()
    files = [path for path in Path(lake.url).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_bytes()]
    assert lake.scan("keys").collect()["hash"][0].startswith("$argon2id$")
    assert "hash" not in keys.listed(lake)[0]
    assert keys.listed(lake) == [{"key": key.key, "name": "ana", "role": "reader", "made_at": at(), "revoked_at": None}]


def test_a_revoked_key_is_listed_and_opens_nothing(lake, at):
    first, text = keys.new(lake, name="ana", role="reader", at=at())
    keys.new(lake, name="ben", role="operator", at=at(1))
    assert keys.revoke(lake, first.key, at=at(2)) == first
    assert keys.verify(keys.active(lake), text) is None
    assert [(row["name"], row["revoked_at"]) for row in keys.listed(lake)] == [("ana", at(2)), ("ben", None)]
    assert keys.revoke(lake, "ben", at=at(3)).name == "ben"
    with pytest.raises(QueryError, match="unknown-key") as told:
        keys.revoke(lake, text, at=at(4))
    assert text not in str(told.value)


def test_two_keys_in_force_have_two_names(lake, at):
    keys.new(lake, name="ana", role="reader", at=at())
    with pytest.raises(ContractError, match="a name that no key in force has"):
        keys.new(lake, name="ana", role="operator", at=at(1))
    keys.revoke(lake, "ana", at=at(1))
    assert keys.new(lake, name="ana", role="operator", at=at(2))[0].role == "operator"


@pytest.mark.parametrize(("name", "role"), [("", "reader"), (" ana", "reader"), ("a\nb", "reader"), ("ana", "root")])
def test_a_key_without_a_plain_name_or_a_known_role_is_refused(lake, at, name, role):
    with pytest.raises(ContractError, match=r"keys\.(name|role): expected"):
        keys.new(lake, name=name, role=role, at=at())


def test_entries_of_one_instant_are_all_kept_and_hold_no_secret(lake, at):
    entry = audit.Entry(at=at(), actor="ana", action="login", facts={"password": "hunter2", "lat": 48.85})
    assert audit.write(lake, [entry, entry]) == 2
    found = audit.read(lake)
    assert [row["at"] > at() for row in found] == [True, False]
    assert "hunter2" not in str(found)
    assert "48.85" not in str(found)
    assert audit.read(lake, before=at()) == []
    assert len(audit.read(lake, limit=1)) == 1


def test_the_signing_secret_is_made_once_and_is_its_owners_alone(lake):
    first = session_secret(lake)
    assert len(first) == 64
    assert session_secret(Lake.open(lake.url)) == first
    file = Path(lake.url) / PATH
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not list(file.parent.glob("*.part"))


def test_a_backup_holds_keys_and_no_signing_secret(lake, at, tmp_path):
    secret, (key, text) = session_secret(lake), keys.new(lake, name="ana", role="reader", at=at())
    backup.take(lake, open_files(str(tmp_path / "copy")), at=at())
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_file() and secret in path.read_bytes()]
    backup.put_back(open_files(str(tmp_path / "copy")), str(tmp_path / "again"), at=at())
    restored = Lake.open(tmp_path / "again")
    assert keys.verify(keys.active(restored), text) == key
    assert session_secret(restored) != secret


def test_a_short_secret_of_the_environment_is_refused_without_showing_it(lake):
    assert session_secret(lake, "s" * 32) == b"s" * 32
    with pytest.raises(ContractError, match="at least 32 characters, found 7") as told:
        session_secret(lake, "hunter2")
    assert "hunter2" not in str(told.value)
