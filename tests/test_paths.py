"""Paths and parameters of MAIL and RCPT: a table of arguments, any octets, and time in proportion to length."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.dialogue.envelope import envelopes
from smtplab.smtp import paths


@pytest.mark.parametrize(
    ("argument", "path", "rest"),
    [
        (b"FROM:<a@b>", b"a@b", b""),
        (b"FROM:<>", b"", b""),
        (b"FROM:<> RET=HDRS", b"", b"RET=HDRS"),
        (b"TO:<Postmaster>", b"Postmaster", b""),
        (b"FROM:<a@b> SIZE=1 BODY=8BITMIME", b"a@b", b"SIZE=1 BODY=8BITMIME"),
        (b"from:<a@b>  \tSIZE=1", b"a@b", b"SIZE=1"),
        (b"TO:<@one,@two:joe@three>", b"@one,@two:joe@three", b""),
        (b'TO:<"a b>c"@d> NOTIFY=NEVER', b'"a b>c"@d', b"NOTIFY=NEVER"),
        (b'TO:<"a\\">b"@d> X', b'"a\\">b"@d', b"X"),
        (b"TO:<a\\>b@c>", b"a\\>b@c", b""),
        (b"TO:<a@[IPv6:::1]>", b"a@[IPv6:::1]", b""),
        (b"FROM:<a@b> AUTH=<>", b"a@b", b"AUTH=<>"),
        ("FROM:<ü@é> SMTPUTF8".encode(), "ü@é".encode(), b"SMTPUTF8"),
        (b"FROM:<a b@c> X=1", b"a b@c", b"X=1"),
        # looser than the grammar
        (b"FROM: <a@b>", b"a@b", b""),
        (b"FROM : <a@b> ", b"a@b", b""),
        (b" FROM:\t<a@b>", b"a@b", b""),
        (b"<a@b> SIZE=1", b"a@b", b"SIZE=1"),
        (b"FROM:a@b", b"a@b", b""),
        (b"FROM: a@b SIZE=1", b"a@b", b"SIZE=1"),
        (b'TO:"a b"@c X=1', b'"a b"@c', b"X=1"),
        (b'TO:"a b@c X=1', b'"a', b"b@c X=1"),
        (b"FROM:a@b> SIZE=1", b"a@b", b"SIZE=1"),
        (b"FROM:<a@b SIZE=1", b"a@b", b"SIZE=1"),
        (b"FROM:<a@b", b"a@b", b""),
        (b"FROM:<", b"", b""),
        (b'FROM:<a"b@c> SIZE=1', b'a"b@c', b"SIZE=1"),
        (b"FROM:<a@b\\> SIZE=1", b"a@b\\", b"SIZE=1"),
        (b"FROM:<a@b>SIZE=1", b"a@b", b"SIZE=1"),
        (b"FROM:", b"", b""),
        (b"FROM <a@b>", b"a@b", b""),
        (b"TO:Bob <b@c> NOTIFY=NEVER", b"b@c", b"NOTIFY=NEVER"),
        (b"TO:Bob B.<b@c>", b"b@c", b""),
        (b'TO:"Bob, B." <b@c>', b"b@c", b""),
        (b"TO:Bob <b@c", b"b@c", b""),
        (b"TO:Bob", b"Bob", b""),
        (b"TO:a@b X=<c>", b"a@b", b"X=<c>"),
        (b"TO:postmaster X=<c>", b"postmaster", b"X=<c>"),
        (b'TO:"Bob <b@c>', b'"Bob', b"<b@c>"),
        (b"TO:a> <b@c>", b"a", b"<b@c>"),
        (b"", b"", b""),
        (b"  ", b"", b""),
    ],
)
def test_path(argument: bytes, path: bytes, rest: bytes) -> None:
    got, begin = paths.path(argument)
    assert (got, argument[begin:]) == (path, rest)


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        (b"", {}),
        (b"  ", {}),
        (b"SIZE=100", {b"SIZE": b"100"}),
        (b"size=1  Body=8bitMIME\tSMTPUTF8 ", {b"SIZE": b"1", b"BODY": b"8bitMIME", b"SMTPUTF8": b""}),
        (b"ORCPT=rfc822;a+3Db@c NOTIFY=SUCCESS,FAILURE", {b"ORCPT": b"rfc822;a+3Db@c", b"NOTIFY": b"SUCCESS,FAILURE"}),
        (b"AUTH=a=b X=", {b"AUTH": b"a=b", b"X": b""}),
        (b"SIZE=1 SIZE=2", {b"SIZE": b"2"}),
        (b"=x", {b"": b"x"}),
        (b"\xff=\x00", {b"\xff": b"\x00"}),
    ],
)
def test_parameters(rest: bytes, found: dict[bytes, bytes]) -> None:
    assert paths.parameters(rest) == found


LOCAL = st.from_regex(rb'[a-z.]{1,5}|"([a-z <>]|\\["\\>])*"', fullmatch=True)
ROUTE = st.sampled_from([b"", b"@a:", b"@a,@b:"])
PARAMETERS = st.lists(st.sampled_from([b"SIZE=1", b"SMTPUTF8", b"AUTH=<>"]), max_size=3, unique=True)


@given(st.sampled_from([b"FROM:", b"TO:", b"to: "]), ROUTE, LOCAL, PARAMETERS)
def test_what_the_grammar_makes_is_taken_apart(word: bytes, route: bytes, local: bytes, given_: list[bytes]) -> None:
    path = route + local + b"@example.org"
    argument = b" ".join([word + b"<" + path + b">", *given_])
    got, begin = paths.path(argument)
    assert got == path
    assert paths.parameters(argument[begin:]) == {p.partition(b"=")[0]: p.partition(b"=")[2] for p in given_}


@given(st.lists(st.sampled_from([b"FROM:", b"<", b">", b'"', b"\\", b" ", b"a@b", b"\xff", b"\n", b":"]) | st.binary()))
def test_any_octets(pieces: list[bytes]) -> None:
    argument = b"".join(pieces)
    path, begin = paths.path(argument)
    assert path in argument
    assert len(path) <= begin <= len(argument)
    paths.parameters(argument[begin:])


@pytest.mark.parametrize("octets", [b'<"', b"<", b'"', b"\\", b'"\\', b" ", b"FROM:", b"<a ", b'"a" '])
@pytest.mark.slow
def test_a_megabyte_takes_linear_time(octets: bytes) -> None:
    argument = b"FROM:<" + octets * ((1 << 20) // len(octets))
    began = time.process_time()
    paths.path(argument)
    paths.path(argument[6:])
    paths.parameters(argument)
    assert time.process_time() - began < 10  # quadratic would be hours


PIECES = [b"FROM", b"to", b":", b" ", b"\t", b"<", b">", b"a@b", b"@", b"=", b"Bob", b"SIZE=1", b"X=<y>", b"<a@b>"]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=9).map(b"".join), min_size=1, max_size=30))
def test_arrays_of_arguments_are_cut_alike(arguments: list[bytes]) -> None:
    """What the compiled loop finds in arguments without quotes is what `paths` finds in each."""
    raw = np.frombuffer(b"".join(arguments), np.uint8).copy()
    octets = np.array([len(argument) for argument in arguments], np.int64)
    start, n = np.cumsum(octets) - octets, len(arguments)
    at, size, begins = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
    odd, keys = np.zeros(n, np.uint8), np.zeros((int(octets.sum()) // 2 + n + 1, 5), np.int64)
    envelopes(raw, start, octets, at, size, odd, keys, begins)

    def cut(begin: int, count: int) -> bytes:
        return raw[begin : begin + count].tobytes()

    assert not odd.any()
    for i, argument in enumerate(arguments):
        path, rest = paths.path(argument)
        assert cut(at[i], size[i]) == path
        found = {cut(k, k_size).upper(): cut(v, v_size) for _, k, k_size, v, v_size in keys[begins[i] : begins[i + 1]]}
        assert found == paths.parameters(argument[rest:])
