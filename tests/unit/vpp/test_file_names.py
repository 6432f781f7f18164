import string

from hypothesis import given
from hypothesis import strategies as st

from vpp.file_names import MAX_BYTES, SAFE, file_name

names = st.text(min_size=0, max_size=200)


def test_plain_names_stay_as_they_are():
    assert [file_name(name) for name in ("GB", "DE_LU", "site-7.a", "NO_1")] == ["GB", "DE_LU", "site-7.a", "NO_1"]


def test_names_that_differ_have_different_files():
    names = ["a/b", "a_b", "a b", "Süd", "Sud", "..", ".", "", "%", "%25", "서울", "서욽"]
    assert len({file_name(name) for name in names}) == len(names)


@given(names, names)
def test_any_two_names_differ_and_are_safe(one, other):
    assert (file_name(one) == file_name(other)) == (one == other)
    for name in (one, other):
        written = file_name(name)
        assert SAFE.fullmatch(written)
        assert len(written) <= MAX_BYTES
        assert not written.startswith(".")
        assert not set(written) - set(string.ascii_letters + string.digits + "_.%-")
