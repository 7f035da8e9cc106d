"""Whose photos a request means: all filings of a person, copies, uploaded photos, lists of hashed identifiers."""

import base64
import hashlib
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from aru.core.errors import InputError
from aru.data.prepare import read_archive
from aru.data.subjects import subject_ids
from flows.requests.ledger import batching, service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request, request_history, request_particulars
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.ledger.verification import verify_ledger
from flows.requests.resolving.hashed_lists import Answer, Item, Outcome, answer_list, match_people, read_hashed_list
from flows.requests.resolving.people import find_photos
from flows.requests.resolving.resolution import as_evidence
from flows.requests.resolving.uploads import photos_of_upload
from tests.helpers.archives import mufac_archive
from tests.helpers.filings import table
from tests.helpers.ledgers import CLERK, NOON, SCHEDULE, SHA

FOLDERS = {"F1/D": "abcx", "F7/D2": "abcy", "F2/M": "mnx", "F3/S": "stu", "F3/s": "vw"}
"""F1/D and F7/D2 are one person by three shared photos; F2/M has a photo of theirs; F3/S and F3/s may be one."""


@pytest.fixture
def manifest() -> pd.DataFrame:
    """The files of FOLDERS, a path each; the letter is the photo and the digest, but of x the second file is edited."""
    rows = table(FOLDERS)
    rows["path"] = [f"{row.family}_{row.person}_{row.photo}.jpg" for row in rows.itertuples()]
    edited = (rows["photo"] == "x") & (rows["family"] == "F2")
    return rows.assign(digest=rows["digest"].where(~edited, "x2"), note=rows["note"].where(~edited, "edit"))


def letters(found: object) -> str:
    return "".join(sorted({match.photo for match in found.matches}))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["F1/D", "F7/D2", " F7 / D2 ", "S00000"])
def test_a_person_is_all_filings_merged_and_all_copies(manifest: pd.DataFrame, name: str) -> None:
    found = find_photos(manifest, subjects=[name])
    (person,) = found.people
    assert person.names == ("F1/D", "F7/D2") and letters(found) == "abcxy"
    assert len(found.matches) == 9 and found.unknown == {}
    (copy,) = (match for match in found.matches if match.how != "person")
    assert (copy.filed, copy.how, copy.shared) == ("F2/M", "copy: edited", True), "filed under somebody else, who stays"
    assert sum(match.shared for match in found.matches) == 2
    assert (found.searched_files, found.searched_people) == (16, 4)


def test_a_photo_is_itself_and_its_copies_and_not_the_person(manifest: pd.DataFrame) -> None:
    found = find_photos(manifest, photos=["./F1_D_a.jpg"])
    assert [(match.path, match.how) for match in found.matches] == [
        ("F1_D_a.jpg", "named"),
        ("F7_D2_a.jpg", "copy: same bytes"),
    ]
    assert found.people == ()


def test_a_similar_name_or_person_is_told_and_not_taken(manifest: pd.DataFrame) -> None:
    found = find_photos(manifest, subjects=["F3/S", "f1/d", "Nobody"], photos=["else/F2_M_m.jpg", "none.jpg"])
    (person,) = found.people
    assert person.suspected == ("F3/s",) and letters(found) == "stu"
    assert found.unknown == {"f1/d": ("F1/D",), "Nobody": (), "else/F2_M_m.jpg": ("F2_M_m.jpg",), "none.jpg": ()}


def test_evidence_has_names_in_its_details_alone(manifest: pd.DataFrame, ledger: Ledger) -> None:
    request = submit(ledger, Submission("faces", ("F7/D2",)), actor=CLERK, at=NOON).request.id
    evidence = as_evidence(find_photos(manifest, subjects=["F7/D2"]), manifest)
    assert evidence.subjects == ("F1/D", "F7/D2") and evidence.files == ("a", "b", "c", "x", "x2", "y")
    assert (evidence.counts["photos"], evidence.counts["files"], evidence.counts["by copy: edited"]) == (5, 9, 1)
    service.record_resolution(ledger, request, evidence, actor=CLERK)
    data = request_history(ledger, request)[-1].data
    assert data["counts"] == evidence.counts and data["files"] == sorted(
        ledger.digest("file", name) for name in evidence.files
    )
    assert "F1" not in repr(data) and "F1/D" in repr(request_particulars(ledger, request)["evidence"])
    moved = as_evidence(find_photos(manifest, subjects=["F7/D2"]), manifest.assign(photo="P"))
    assert moved.searched != evidence.searched, "another version of the data"


def test_an_uploaded_photo_is_found_by_bytes_encoding_and_edit(tmp_path: Path) -> None:
    def picture(seed: int) -> Image.Image:
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)

    def saved(image: Image.Image, kind: str = "PNG") -> bytes:
        file = BytesIO()
        image.save(file, kind)
        return file.getvalue()

    rows = [
        {"path": f"{seed}.png", "photo": f"P{seed}", "digest": hashlib.md5(saved(picture(seed))).hexdigest()}
        for seed in range(6)
    ]
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for seed in range(6):
            archive.writestr(f"{seed}.png", saved(picture(seed)))
    manifest = pd.DataFrame(rows)
    photo = picture(4)
    for upload in (
        saved(photo),
        saved(photo, "JPEG"),
        saved(photo.resize((64, 64)), "WEBP"),
        saved(ImageOps.mirror(photo), "JPEG"),
        saved(photo.crop((4, 4, 92, 92)), "JPEG"),
    ):
        assert photos_of_upload(upload, tmp_path / "photos.zip", manifest) == ["P4"]
    assert photos_of_upload(saved(picture(99)), tmp_path / "photos.zip", manifest) == []
    with pytest.raises(InputError, match="is no photo that can be read"):
        photos_of_upload(b"GIF89a of nothing", tmp_path / "photos.zip", manifest)


def test_names_of_a_real_archive_are_found_in_all_its_splits(tmp_path: Path) -> None:
    rows = read_archive("mufac", mufac_archive(tmp_path / "mufac.zip")).rows
    people = rows.assign(subject=subject_ids(rows))
    for key, subject in {(f"{row.family}/{row.person}", row.subject) for row in people.itertuples()}:
        found = find_photos(people, subjects=[key])
        photos = set(people["photo"][people["subject"] == subject])
        assert {match.path for match in found.matches} == set(people["path"][people["photo"].isin(photos)])


def digest(text: str, function: str = "sha256") -> str:
    return hashlib.new(function, text.encode()).hexdigest()


def test_a_list_is_read_in_hexadecimal_base64_or_with_the_platforms_columns(tmp_path: Path) -> None:
    raw = hashlib.sha256(b"F1/D").digest()
    file = tmp_path / "list"
    file.write_text(f"{raw.hex()}\n\n{base64.b64encode(raw).decode()}\n{raw.hex().upper()}\n")
    assert read_hashed_list(file, "sha256") == [Item(number, raw.hex()) for number in ("1", "3", "4")]
    file.write_text(f'\ufeffID,Hash\r\n"w,1",{base64.b64encode(raw).decode()}\r\n')
    assert read_hashed_list(file, "sha256") == [Item("w,1", raw.hex())]
    file.write_text('"' + "a" * 200_000 + '"\n')
    with pytest.raises(InputError, match="is no list of digests"):
        read_hashed_list(file, "sha256")
    for text, function, message in (
        (raw.hex()[:-1], "sha256", r"line 1: no digest of sha256 \(32 bytes"),
        (f"{raw.hex()}\nF1/D", "sha256", "line 2: no digest"),
        (raw.hex(), "md5", "line 1: no digest of md5"),
        (raw.hex(), "crc32", "unknown hash function 'crc32'"),
        (f"ID,Hash\n1,{raw.hex()}\n1,{raw.hex()}", "sha256", "an ID stands in it twice"),
        ("ID,Hash\n1", "sha256", "line 2: no digest"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            read_hashed_list(file, function)
    with pytest.raises(InputError, match="cannot be read"):
        read_hashed_list(tmp_path / "none", "sha256")


def test_identifiers_are_written_by_the_platforms_rules_before_they_are_hashed() -> None:
    """The telephone number and its SHA-256 are the worked example of DROP's documentation."""
    manifest = table({"H/+1(415)555-9317": "a", "H/Ann.Lee@Example.org": "b", "/photo:x.jpg": "c"})
    drop = base64.b64decode("vGM7y5n+hBXRSEAklhHDPCbysyNgYTmXdMcagGUOY8E=").hex()
    items = [Item("1", drop), Item("2", digest("ann.lee@example.org")), Item("3", digest("photo:x.jpg"))]
    subjects = dict(zip(manifest["person"], manifest["subject"], strict=True))
    phone, mail, plain = (match_people(manifest, items, "sha256", kind) for kind in ("phone", "email", "id"))
    assert phone["1"] == {subjects["+1(415)555-9317"]} and mail["2"] == {subjects["Ann.Lee@Example.org"]}
    assert plain == {"1": set(), "2": set(), "3": set()} and phone["2"] == set()
    with pytest.raises(InputError, match="unknown kind of identifier 'iban'"):
        match_people(manifest, items, "sha256", "iban")


def test_a_list_is_answered_as_the_ledger_stands_and_again_later(manifest: pd.DataFrame, ledger: Ledger) -> None:
    names = ("F7/D2", "F2/M", "nobody", "F3/S", "F3/s")
    items = [Item(name, digest(name)) for name in names]

    def ask(rows: pd.DataFrame = manifest, **options: object) -> dict[str, Answer]:
        answers = answer_list(ledger, "faces", rows, items, "sha256", "id", at=NOON, **options)  # type: ignore[arg-type]
        assert [answer.id for answer in answers] == list(names)
        return {answer.id: answer for answer in answers}

    first = ask()
    assert {answer.outcome for answer in first.values()} == {Outcome.OPEN, Outcome.NOT_FOUND}
    assert (first["nobody"].code, first["F2/M"].code, first["F2/M"].request) == (5, None, None), "asking enters nothing"
    entered = ask(submit_as=CLERK, verified_by="the platform")
    assert ask(submit_as=CLERK, verified_by="the platform") == entered, "twice enters it once"
    requests = {name: answer.request for name, answer in entered.items() if answer.request}
    assert requests.keys() == {*names} - {"nobody"}
    assert find_request(ledger, requests["F2/M"]).state is State.PENDING
    (name,) = request_particulars(ledger, requests["F7/D2"])["submitted"]["subjects"]
    assert name in ("F1/D", "F7/D2"), "a filing, which stays when the data change, and no subject id"
    service.deny(ledger, requests["F2/M"], Reason.EXEMPT, actor=CLERK)
    service.deny(ledger, requests["F3/S"], Reason.EXCESSIVE, actor=CLERK)
    service.mark_duplicate(ledger, requests["F3/s"], requests["F7/D2"], actor=CLERK)
    gone = requests["F7/D2"]
    service.record_resolution(ledger, gone, as_evidence(find_photos(manifest, subjects=["F1/D"]), manifest), actor=CLERK)
    service.approve(ledger, gone, actor=CLERK, at=NOON + timedelta(days=1))
    batch = batching.schedule(ledger, [gone], thresholds=SHA, parameters=SHA, actor=SCHEDULE).id
    batching.start(ledger, batch, model_before="1", actor=SCHEDULE)
    batching.verify(ledger, batch, thresholds=SHA, data={}, actor=SCHEDULE)
    batching.fulfill(ledger, batch, model_after="2", data={}, actor=SCHEDULE)
    service.erase_particulars(ledger, gone, actor=CLERK)
    later = ask(manifest[~manifest["subject"].eq("S00000")])
    assert {name: (answer.outcome, answer.code) for name, answer in later.items()} == {
        "F7/D2": (Outcome.DELETED, 3),
        "F2/M": (Outcome.EXEMPTED, 2),
        "nobody": (Outcome.NOT_FOUND, 5),
        "F3/S": (Outcome.REFUSED, None),
        "F3/s": (Outcome.DELETED, 3),
    }
    assert verify_ledger(ledger).faults == []


def test_an_identifier_of_several_people_is_nobodys_request(ledger: Ledger) -> None:
    manifest = table({"F1/D": "ab", "F2/D": "cd"})
    (answer,) = answer_list(ledger, "faces", manifest, [Item("1", digest("D"))], "sha256", "id", submit_as=CLERK)
    assert answer == Answer("1", Outcome.SEVERAL, None, None)
