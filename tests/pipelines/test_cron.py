from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.core.errors import InputError
from platen.pipelines.cron import FIELDS, six_fields


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("0 3 * * 1", "0 0 3 * * 1"),
        ("*/15 0-6,12 1 jan-mar sun", "0 */15 0-6,12 1 jan-mar sun"),
        ("30 0 3 ? * MON-FRI", "30 0 3 ? * MON-FRI"),
        ("  0  3 * *  1 ", "0 0 3 * * 1"),
        ("@daily", "@daily"),
        ("5/20 * * * *", "0 5/20 * * * *"),
    ],
)
def test_five_fields_get_their_seconds(given: str, sent: str) -> None:
    assert six_fields(given) == sent


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "0 fields. Accepted: five fields"),
        ("0 3 * *", "4 fields"),
        ("0 0 3 * * 1 2026", "7 fields"),
        ("@fortnightly", "1 fields"),
        ("60 * * * *", r"minute '60'\. Accepted: \*, 0 to 59"),
        ("0 24 * * *", "hour '24'"),
        ("0 3 0 * *", "day '0'"),
        ("0 3 * 13 *", r"month '13'\. Accepted: \*, 1 to 12, jan to dec"),
        ("0 3 * * 7", r"weekday '7'\. Accepted: \*, 0 to 6, sun to sat"),
        ("0 5-3 * * *", "hour '5-3'"),
        ("*/0 * * * *", r"minute '\*/0'"),
        ("1,,2 * * * *", "minute '1,,2'"),
        ("0 3 * * funday", "weekday 'funday'"),
        ("-1 * * * *", "minute '-1'"),
    ],
)
def test_what_is_no_time_is_refused_by_field(given: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        six_fields(given)


@given(st.tuples(*(st.integers(least, most).map(str) for _, least, most, _ in FIELDS[1:])))
def test_every_number_in_range_is_a_time(fields: tuple[str, ...]) -> None:
    assert six_fields(" ".join(fields)) == " ".join(["0", *fields])


@given(st.text(max_size=30))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        sent = six_fields(text)
    except InputError:
        return
    assert sent.startswith("@") or len(sent.split()) == 6
