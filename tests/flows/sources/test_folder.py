import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.sources import Collection, collect, count_documents
from flows.sources.file_kinds import kind_of
from flows.sources.files import MAX_BYTES
from flows.sources.text import MAX_CHARACTERS
from pricing.errors import SourceError
from tests.support.pdf import pdf

NO_GIT = "No git repository there: using its documents instead."


def write(root: Path, name: str, content: str | bytes = "Some words.", day: int = 1) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    at = datetime(2026, 3, day, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))
    return path


def origins(collection: Collection) -> list[str]:
    return [document.origin for document in collection.documents]


def refused(source: str | Path) -> str:
    with pytest.raises(SourceError) as caught:
        collect(source)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.next_step
    return message


def test_the_readme_comes_first_then_the_newest(tmp_path):
    write(tmp_path, "old.md", day=1)
    write(tmp_path, "docs/new.rst", "Heading\n=======\n\nText.", day=9)
    write(tmp_path, "README.md", "---\ntitle: x\n---\n# Hello #\n\nWorld.", day=2)
    write(tmp_path, "notes", day=10)
    got = collect(tmp_path)
    assert origins(got) == ["README.md", "docs/new.rst", "old.md", "notes"]
    assert [document.title for document in got.documents] == ["Hello", "Heading", "old.md", "notes"]
    assert got.documents[1].when == datetime(2026, 3, 9, tzinfo=UTC)
    assert {document.kind for document in got.documents} == {"document"}
    assert got.notes == (NO_GIT,)
    assert count_documents(tmp_path) == 4


def test_the_limit_holds_and_is_told(tmp_path):
    for number in range(5):
        write(tmp_path, f"{number}.txt", day=number + 1)
    got = collect(tmp_path, limit=2)
    assert origins(got) == ["4.txt", "3.txt"]
    assert "Cut to 2 documents: 3 more files not taken." in got.notes
    assert count_documents(tmp_path, limit=2) == 2


def test_files_of_the_same_age_come_by_name(tmp_path):
    for name in ("b.md", "a.md", "c/a.md"):
        write(tmp_path, name)
    assert origins(collect(tmp_path)) == ["a.md", "b.md", "c/a.md"]
    assert collect(tmp_path) == collect(tmp_path)


def test_code_is_read_only_where_there_is_nothing_else(tmp_path):
    write(tmp_path, "main.py", "# not a title\n")
    write(tmp_path, "LICENSE.txt")
    write(tmp_path, "notes.md")
    assert origins(collect(tmp_path)) == ["notes.md"]
    (tmp_path / "notes.md").unlink()
    got = collect(tmp_path)
    assert origins(got) == ["LICENSE.txt", "main.py"]
    assert got.documents[1].title == "main.py"
    assert "No text for people there: using its code and data files instead." in got.notes


@pytest.mark.parametrize(
    "name", [".hidden.md", ".git2/a.md", ".venv/a.md", "node_modules/p/a.md", "__pycache__/a.md", ".farebox/a.md"]
)
def test_hidden_files_and_dependencies_are_left_out(tmp_path, name):
    write(tmp_path, "a.md")
    write(tmp_path, name)
    assert origins(collect(tmp_path)) == ["a.md"]


@pytest.mark.parametrize("name", ["id_rsa", "server.pem", "prod.env", "credentials.json", "passwords.txt"])
def test_keys_are_never_read(tmp_path, name):
    write(tmp_path, "a.md")
    write(tmp_path, name)
    got = collect(tmp_path)
    assert origins(got) == ["a.md"]
    assert "Left out 1 file that may hold keys or passwords." in got.notes
    write(tmp_path, "harmless.txt", "-----BEGIN PRIVATE KEY-----\nMII")
    assert origins(collect(tmp_path)) == ["a.md"]


def test_kinds_of_files():
    kinds = {
        "a/B.MD": "prose",
        "x.py": "code",
        "requirements-dev.txt": "code",
        "Makefile": "code",
        "a.PNG": "binary",
        "a.PDF": "pdf",
        "x": "other",
    }
    assert {name: kind_of(name) for name in kinds} == kinds


def test_what_was_skipped_is_told(tmp_path):
    write(tmp_path, "a.md")
    write(tmp_path, "b.png")
    write(tmp_path, "c.md", b"\x00\x01\x02")
    with (tmp_path / "huge.md").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (tmp_path / "link.md").symlink_to(tmp_path / "a.md")
    assert set(collect(tmp_path).notes) == {
        NO_GIT,
        "Skipped 2 binary files.",
        "Skipped 1 file larger than 5 MB.",
        "Did not follow 1 symbolic link.",
    }


def test_links_lead_nowhere(tmp_path):
    outside = write(tmp_path, "outside/secret.md", "TOP SECRET")
    inside = tmp_path / "inside"
    write(inside, "a.md")
    (inside / "b.md").symlink_to(outside)
    (inside / "folder").symlink_to(outside.parent)
    (inside / "loop").symlink_to(inside)
    got = collect(inside)
    assert origins(got) == ["a.md"]
    assert "SECRET" not in repr(got)
    (tmp_path / "door").symlink_to(inside)  # the source itself may be a link
    assert origins(collect(tmp_path / "door")) == ["a.md"]


def test_long_texts_are_cut_at_a_paragraph(tmp_path):
    write(tmp_path, "long.md", "Words of a paragraph.\n\n" * 1000)
    got = collect(tmp_path)
    assert len(got.documents[0].text) <= MAX_CHARACTERS
    assert got.documents[0].text.endswith("paragraph.\n…")
    assert "Cut 1 long text to 6,000 characters." in got.notes


def test_pipes_and_sockets_in_a_folder_are_passed_by(tmp_path):
    write(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    assert origins(collect(tmp_path)) == ["a.md"]


def test_names_from_a_stranger_are_made_fit_to_print(tmp_path):
    write(tmp_path, "a\x1b[31m\n\u202eb.txt")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))).write_text("Words.")
    got = collect(tmp_path)
    assert set(origins(got)) == {"a b.txt", "\ufffd.txt"}
    for document in got.documents:
        assert document.title.isprintable()
        document.origin.encode()


def test_text_that_is_not_utf8_is_still_read(tmp_path):
    write(tmp_path, "a.txt", "Grüße aus Köln, und bis bald im Frühling".encode("latin-1"))
    assert "Gr\ufffd\ufffde aus" in collect(tmp_path).documents[0].text


def test_web_pages_are_read_as_words(tmp_path):
    write(tmp_path, "a.html", "<html><body><p>Hello</p><script>evil()</script></body>")
    assert collect(tmp_path).documents[0].text == "Hello"


def test_a_single_file(tmp_path):
    write(tmp_path, "a.md", "<!-- lint -->\n# One\n\nText.")
    got = collect(tmp_path / "a.md")
    assert [document.title for document in got.documents] == ["One"]
    assert got.origin == str(tmp_path / "a.md")
    assert not got.notes


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "notes/a.md")
    assert origins(collect("~/notes")) == ["a.md"]
    assert "cannot be a path" in refused("~nobody-of-this-name/x")


@pytest.mark.parametrize(
    "source", ["", "  ", "a\x00b", "\ud800", "no/such/path", "x" * 5000, "ftp://example.com/x", "file:///etc/passwd"]
)
def test_what_is_no_source_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(source)


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(SourceError, match="at least 1"):
        collect(tmp_path, limit=0)


def test_an_empty_folder_is_refused(tmp_path):
    write(tmp_path, "empty.md", "")
    assert "nothing to read" in refused(tmp_path)


def test_the_text_of_pdfs_is_read(tmp_path):
    file = write(tmp_path, "notes.pdf", pdf(["Minutes of Tuesday"], ["The gate is painted."]))
    write(tmp_path, "scan.pdf", pdf([]))
    for source in (file, tmp_path):
        [document] = collect(source).documents
        assert "Minutes of Tuesday" in document.text
        assert "The gate is painted." in document.text
    assert "Skipped 1 binary file." in collect(tmp_path).notes


def test_a_folder_of_binaries_is_refused(tmp_path):
    write(tmp_path, "a.png")
    write(tmp_path, "b", b"\x00\xff")
    assert "Skipped 2 binary files." in refused(tmp_path)


def test_files_that_are_no_text_are_refused(tmp_path):
    assert "binary" in refused(write(tmp_path, "a.bin", b"%PDF\x00\x01"))
    assert "no text" in refused(write(tmp_path, "a.pdf", b"%PDF\x00\x01"))
    assert "no text" in refused(write(tmp_path, "scan.pdf", pdf([])))
    assert "empty" in refused(write(tmp_path, "b.md", " \n"))
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in refused(tmp_path / "pipe")
    assert "neither a file nor a folder" in refused("/dev/zero")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read" in refused(tmp_path / "loop")


def test_sockets_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        assert "neither a file nor a folder" in refused("s")


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.md").open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(SourceError, match=r"has 50\.0 MB; at most 5 MB") as caught:
        collect(tmp_path / "huge.md")
    assert caught.value.fields == {"size": 50_000_000, "limit": MAX_BYTES}


def test_what_may_not_be_read_is_told(tmp_path, as_nobody):
    write(tmp_path, "open/a.md")
    write(tmp_path, "open/shut.md").chmod(0)
    write(tmp_path, "open/shut/b.md").parent.chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    with as_nobody:
        got = collect(tmp_path / "open")
        assert "may not be read" in refused(tmp_path / "closed")
        assert "may not be read" in refused(tmp_path / "open" / "shut.md")
    assert origins(got) == ["a.md"]
    assert "Could not open 2 files or folders." in got.notes
