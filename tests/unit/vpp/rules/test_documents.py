"""Documents become clauses that keep their number, page and words."""

import os
import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.errors import DataError
from vpp.rules import documents
from vpp.rules.documents import MAX_CHARS, documents_in, read_document

CODE = """# Grid code of Ruritania

Preamble that says whom the code binds and from what day on it does so.

## 4.2 Ramp rates
A storage plant changes its output by no more than ten percent of its capacity in a minute.

## 4.3 Reactive power
At the connection point the plant keeps a power factor between 0.95 leading and lagging.

R7. Reporting
Each owner reports outages of more than one hour by noon of the next working day.
"""


def write_pdf(path: Path, pages: list[str]) -> None:
    """A minimal PDF with one line of text on each page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for i, text in enumerate(pages):
        lines = " T* ".join(f"({line}) Tj" for line in text.split("\n"))
        stream = f"BT /F1 11 Tf 14 TL 40 700 Td {lines} ET".encode()
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * i} 0 R "
        objects.append((page + "/Resources << /Font << /F1 3 0 R >> >> >>").encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out, offsets = BytesIO(), []
    out.write(b"%PDF-1.4\n")
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    path.write_bytes(out.getvalue())


def test_markdown_is_cut_at_numbered_headings(tmp_path: Path) -> None:
    path = tmp_path / "code.md"
    path.write_text(CODE)
    result = read_document(path)
    assert [(clause.clause, clause.title) for clause in result] == [
        ("code", "Grid code of Ruritania"),
        ("4.2", "Ramp rates"),
        ("4.3", "Reactive power"),
        ("R7", "Reporting"),
    ]
    assert result[1].text.startswith("A storage plant changes its output")
    assert result[1].citation == "code.md 4.2"


def test_html_loses_its_tags_and_scripts(tmp_path: Path) -> None:
    path = tmp_path / "code.html"
    path.write_text(
        "<html><head><title>x</title></head><body><script>steal()</script><h2>12 Metering</h2>"
        "<p>Meters record energy every five minutes and keep it for ninety days.</p></body></html>"
    )
    (clause,) = read_document(path)
    assert (clause.clause, clause.title) == ("12", "Metering")
    assert clause.text == "Meters record energy every five minutes and keep it for ninety days."


def test_html_without_optional_tags_and_with_a_table(tmp_path: Path) -> None:
    path = tmp_path / "code.html"
    path.write_text(
        "<!doctype html><title>x</title><meta charset=utf-8><h2>2.1 Import limit</h2>"
        "<table><tr><th>Season<th>Limit<tr><td>Winter</td><td>35 MW</td></tr></table><dl><dt>Fans<dd>stop at night</dl>"
    )
    (clause,) = read_document(path)
    assert (clause.clause, clause.text) == ("2.1", "Season Limit Winter 35 MW Fans stop at night")
    path.write_text("<html><head><title>x</title><body><p>A head whose end is left out hides nothing of the page.")
    assert [one.text for one in read_document(path)] == ["A head whose end is left out hides nothing of the page."]


def test_a_numbered_sentence_is_a_clause_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "contract.txt"
    path.write_text("2 Limits\n2.1 The site imports at most 40 MW.\n2.2 The owner names a contact;\nat all hours.\n")
    assert [(one.clause, one.title, one.text) for one in read_document(path)] == [
        ("2.1", "The site imports at most 40 MW.", "The site imports at most 40 MW."),
        ("2.2", "The owner names a contact;", "at all hours."),
    ]


def test_a_byte_order_mark_hides_no_heading(tmp_path: Path) -> None:
    path = tmp_path / "code.md"
    path.write_text("# 2.1 Export\n\nAt most 30 MW.\n", encoding="utf-8-sig")
    assert [one.clause for one in read_document(path)] == ["2.1"]


def test_pdf_keeps_the_page(tmp_path: Path) -> None:
    path = tmp_path / "code.pdf"
    write_pdf(
        path,
        [
            "1.1 Scope\nThis code binds every plant that is connected above ten kilovolts.",
            "2.1 Frequency\nPlants stay connected for half an hour between 47.5 and 51.5 hertz.",
        ],
    )
    result = read_document(path)
    assert [(clause.clause, clause.title, clause.page) for clause in result] == [
        ("1.1", "Scope", 1),
        ("2.1", "Frequency", 2),
    ]
    assert result[1].citation == "code.pdf 2.1 page 2"


def test_a_clause_goes_on_over_the_page(tmp_path: Path) -> None:
    path = tmp_path / "code.pdf"
    write_pdf(
        path, ["2.1 Export\nA site shall not export more than", "30 MW at the point of connection.\n2.2 Import\nNone."]
    )
    assert [(clause.clause, clause.page, clause.text) for clause in read_document(path)] == [
        ("2.1", 1, "A site shall not export more than"),
        ("2.1", 2, "30 MW at the point of connection."),
        ("2.2", 2, "None."),
    ]


@pytest.mark.parametrize(
    "line",
    ["30 MW at night.", "0.95 Lagging or leading", "49.0 and 48.8 Hz", "20 Sites of the area", "2026. The plant"],
)
def test_a_wrapped_line_that_begins_with_a_quantity_is_no_heading(tmp_path: Path, line: str) -> None:
    path = tmp_path / "code.txt"
    path.write_text(f"3.1 Limits\nThe limit of every site that is connected to the network is\n{line}\n")
    (clause,) = read_document(path)
    assert (clause.clause, clause.text.endswith(line)) == ("3.1", True)


def test_long_text_is_cut_at_sentences(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("Every plant obeys this long rule without end. " * 200)
    result = read_document(path)
    assert all(len(clause.text) <= MAX_CHARS and clause.text.endswith(".") for clause in result)
    assert sum(clause.text.count("obeys") for clause in result) == 200


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("code.docx", b"x", "is no"),
        ("code.md", b"", "holds no text"),
        ("code.md", b"\xff\xfe\x00", "cannot read"),
        ("code.pdf", b"not a pdf", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_reported(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_document(path)


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_a_link_to_outside_is_refused_however_it_is_named(tmp_path: Path) -> None:
    outside = tmp_path / "secret.md"
    outside.write_text("1. Secret\n" + "s" * 100)
    folder = tmp_path / "rules"
    (folder / "deep").mkdir(parents=True)
    for link in (folder / "a.md", folder / "deep" / "b.md"):
        link.symlink_to(outside)
        for named in (folder, link):
            with pytest.raises(DataError, match="link to a file outside"):
                documents_in(named)
        link.unlink()
    (folder / "c.md").symlink_to(folder / "deep" / "d.md")
    (folder / "deep" / "d.md").write_text("1. Own\n" + "s" * 100)
    assert len(documents_in(folder)) == 2


def test_two_documents_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.md").write_text(CODE)
    with pytest.raises(DataError, match=r"several documents code\.md"):
        documents_in(tmp_path)


def test_size_is_bounded_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(52_000_000)
    tracemalloc.start()
    with pytest.raises(DataError, match="more than 8 MB"):
        read_document(large)
    with pytest.raises(DataError, match="more than 32 MB"):
        documents_in(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    monkeypatch.setattr(documents, "MAX_BYTES", 1000)
    monkeypatch.setattr(documents, "_pages", lambda _: iter([(1, "x" * 600)] * 3))
    small = tmp_path / "small.pdf"
    small.write_bytes(b"%PDF")
    with pytest.raises(DataError, match="of text"):
        read_document(small)


def test_folders_are_searched_and_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.md").write_text(CODE)
    (tmp_path / "y.json").write_text("[]")
    assert documents_in(tmp_path) == [tmp_path / "a" / "x.md"]
    with pytest.raises(DataError, match="no document"):
        documents_in(tmp_path / "none")


@given(st.text(max_size=2000))
def test_any_text_is_cut_without_loss_of_length_limits(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "any.txt"
    path.write_text(text, encoding="utf-8", errors="ignore")
    try:
        result = read_document(path)
    except DataError:
        return
    assert all(0 < len(clause.text) <= MAX_CHARS for clause in result)
