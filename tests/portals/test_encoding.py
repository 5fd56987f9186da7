from __future__ import annotations

import codecs

import pytest
from hypothesis import given, strategies as st

from urbancast.portals import encoding, read

HEADER, ROWS = "distrito;calle;número", ["01  CENTRO;AGUAS, CALLE, DE LAS;2", "05  CHAMARTÍN;PEÑA, DE LA;8"]


def payload(codec: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *ROWS, ""]).encode(codec)


@pytest.mark.parametrize("codec", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_the_same_table_is_read_from_each_encoding(codec):
    frame = read.frame(payload(codec), "text/csv")
    assert frame.columns == ["distrito", "calle", "número"]
    assert frame.row(1) == ("05  CHAMARTÍN", "PEÑA, DE LA", "8")


@pytest.mark.parametrize("header", ["distrito,calle,número", "distrito\tcalle\tnúmero", " distrito ; calle;número  "])
def test_a_header_may_be_delimited_differently_from_its_body(header):
    frame = read.frame(payload("cp1252", header), "text/csv")
    assert frame.columns == ["distrito", "calle", "número"]
    assert frame["calle"].to_list() == ["AGUAS, CALLE, DE LAS", "PEÑA, DE LA"]


@pytest.mark.parametrize("delimiter", encoding.DELIMITERS)
def test_every_delimiter_is_found(delimiter):
    text = f'a{delimiter}b\n1{delimiter}"x {delimiter} y"\n2{delimiter}z\n'
    frame = read.frame(text.encode(), "text/csv")
    assert frame.rows() == [("1", f"x {delimiter} y"), ("2", "z")]


def test_decimal_commas_do_not_delimit():
    frame = read.frame(b"x;y\n439592,91;4473566,23\n439569,07;4473598,77\n", "text/csv")
    assert frame.rows() == [("439592,91", "4473566,23"), ("439569,07", "4473598,77")]


def test_empty_fields_are_null_and_blank_rows_stay_rows():
    frame = read.frame(b"a;b\n1;\n;\n", "text/csv")
    assert frame.rows() == [("1", None), (None, None)]


def test_a_header_alone_is_a_table_without_rows():
    frame = read.frame(codecs.BOM_UTF8 + b"a;b\n", "text/csv")
    assert (frame.columns, frame.height) == (["a", "b"], 0)


WORDS = ["CHAMARTÍN", "PEÑA PRIETA", "Batería", "Línea", "Número de Plazas", "Cité", "€ 3,50", "Straße", "übrig"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
def test_text_of_western_europe_survives_windows_1252(words):
    text = "\n".join(["nombre", *words])
    assert encoding.text_of(text.encode("cp1252")) == text


def test_enough_text_of_an_old_terminal_is_known_as_such():
    text = "nombre\n" + "Peña Prieta, calle de la niña pequeña en Chamartín; batería número día\n" * 40
    assert encoding.text_of(text.encode("cp850")) == text
