"""A reader's answers survive whatever happens to the program, the disk and the hands of others."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import ROOT
from reading_studies import SlowClock, make_study, read_all, shared_sources
from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.reading import Session
from TumorSynthLib.reading.answers import AnswerLog, AnswerRow, final_answers, parse, read_answers
from TumorSynthLib.reading.protocol import Protocol
from TumorSynthLib.reading.responses import answer_files, export_answers
from TumorSynthLib.reading.tasks import TASKS

PROTOCOL = "5" * 64


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    real, synthetic = shared_sources(7)
    make_study(folder / "plain", real, synthetic, 10, repeats=0.2)
    make_study(folder / "back", real, synthetic, 6, repeats=0.0, going_back=True, training_cases=2, task="yesno")
    make_study(folder / "locate", real, synthetic, 4, repeats=0.0, task="locate")
    make_study(folder / "pairs", real, synthetic, 4, repeats=0.0, task="2afc")
    return folder


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made / "plain", tmp_path / "study")


def answers_of(study: Path, reader: str = "anna") -> list[AnswerRow]:
    return read_answers(study / "answers" / f"{reader}.csv", Protocol.read(study).checksum, reader)


# -- the course of a session


def test_a_session_shows_every_case_once_and_ends(study):
    with Session.open(study, "anna") as session:
        seen = []
        assert session.progress.total == 12 and not session.is_finished
        while (case := session.current_case()) is not None:
            assert not case.is_training and len(case.images) == 1
            seen.append(case.images[0])
            assert session.answer("real", confidence=3) is None
        assert len(set(seen)) == 12 and session.is_finished
        with pytest.raises(InputError, match="all cases are answered"):
            session.answer("real", confidence=3)


def test_times_pauses_and_doings_are_recorded(study):
    now = [100.0]
    with Session.open(study, "anna", lambda: now[0]) as session:
        session.current_case()
        now[0] += 2
        session.shown()
        now[0] += 3
        session.scrolled(4)
        session.changed_window_level(1500.0, 700.0)
        session.pause()
        assert session.is_paused
        with pytest.raises(InputError, match="paused"):
            session.answer("real", confidence=1)
        now[0] += 60
        session.resume()
        session.scrolled()
        now[0] += 5
        session.answer("synthetic", confidence=4, comment='too "round",\nand bright')
    row = answers_of(study)[-1]
    assert (row.load_s, row.first_interaction_s, row.answer_s) == ("2.000", "3.000", "8.000")
    assert (row.pauses, row.paused_s, row.scrolls, row.window_level_changes) == ("1", "60.000", "5", "1")
    assert (row.window, row.level, row.answer, row.confidence) == ("1500", "700", "synthetic", "4")
    assert row.comment == 'too "round", and bright'


def test_a_closed_window_resumes_at_the_first_case_without_an_answer(study):
    assert read_all(study, "anna", lambda truth, random: ("real", 3), 0, until=4) == 4
    with Session.open(study, "anna") as session:
        assert session.progress.answered == 4
        assert session.current_case().position == 4
    assert [row.event for row in answers_of(study)].count("opened") == 2


def test_one_reader_cannot_read_in_two_windows(study):
    with Session.open(study, "anna"), pytest.raises(InputError, match="open in another window"):
        Session.open(study, "anna")
    Session.open(study, "anna").close()


def test_unknown_readers_and_answers_are_refused(study):
    with pytest.raises(InputError, match="choose one of anna, ben"):
        Session.open(study, "carl")
    with Session.open(study, "anna") as session:
        session.current_case()
        for choice, confidence, says in (("left", 3, "answer 'left'"), ("real", None, "missing"), ("real", 6, "range")):
            with pytest.raises(InputError, match=says):
                session.answer(choice, confidence=confidence)
        with pytest.raises(InputError, match="no going back"):
            session.go_back()
    assert final_answers(answers_of(study)) == {}


def test_training_tells_the_truth_and_going_back_replaces_an_answer(made, tmp_path):
    study = shutil.copytree(made / "back", tmp_path / "study")
    with Session.open(study, "ben", SlowClock()) as session:
        for _ in range(2):
            case = session.current_case()
            feedback = session.answer("real")
            assert case.is_training and feedback.is_correct == (feedback.truth == "real")
        session.current_case()
        with pytest.raises(InputError, match="for training"):
            session.go_back()
        session.answer("real")
        session.answer("real")
        session.go_back()
        assert session.current_case().is_answered
        session.answer("synthetic")
        assert session.current_case().position == 4
    final = final_answers(answers_of(study, "ben"))
    assert [final[place].answer for place in (2, 3)] == ["real", "synthetic"]
    assert len([row for row in answers_of(study, "ben") if row.position == "3"]) == 2


def test_locate_takes_a_point_and_pairs_take_a_side(made, tmp_path):
    located = shutil.copytree(made / "locate", tmp_path / "locate")
    with Session.open(located, "anna") as session:
        session.current_case()
        with pytest.raises(InputError, match="comes with a point"):
            session.answer("here")
        session.answer("here", point_mm=(1.0, -2.5, 3.25))
        session.current_case()
        session.answer("none")
    rows = answers_of(located)[1:]
    assert (rows[0].point_r_mm, rows[0].point_a_mm, rows[0].point_s_mm) == ("1.00", "-2.50", "3.25")
    assert rows[1].point_r_mm == ""
    pairs = shutil.copytree(made / "pairs", tmp_path / "pairs")
    with Session.open(pairs, "anna") as session:
        assert len(session.current_case().images) == 2
        session.answer("left")


def test_every_task_names_two_choices_and_its_question():
    assert set(TASKS) == {"yesno", "confidence", "2afc", "locate"}
    assert all(len(task.choices) == 2 and task.question.endswith((".", "?")) for task in TASKS.values())


# -- crashes

READER = """
import sys
from TumorSynthLib.reading import Session
with Session.open(sys.argv[1], sys.argv[2]) as session:
    while (case := session.current_case()) is not None:
        session.answer("real", confidence=3, comment="x" * 200)
        print(case.position, flush=True)
"""


def start(study: Path, reader: str, code: str = READER) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(study), reader], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("after", [1, 5])
def test_kill_9_in_the_middle_loses_no_answer(study, after):
    child = start(study, "anna", READER.replace("print(case", "import time; time.sleep(0.02); print(case"))
    acknowledged = [int(child.stdout.readline()) for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    child.wait()
    with Session.open(study, "anna") as session:
        assert session.progress.answered >= len(acknowledged)
        assert session.current_case().position == session.progress.answered
    assert read_all(study, "anna", lambda truth, random: ("real", 3), 0) == 12
    positions = [int(row.position) for row in answers_of(study) if row.event == "answered"]
    assert positions == list(range(12))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_line_torn_anywhere_is_dropped_with_a_note(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("torn") / "anna.csv"
    with AnswerLog.opened(path, PROTOCOL, "anna") as log:
        for position in range(3):
            log.append(AnswerRow("answered", position=str(position), answer="real", comment='a, "b" é'))
    content = path.read_bytes()
    whole = [end for end in range(1, len(content) + 1) if content[end - 1 : end] == b"\n"]
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut] + data.draw(st.sampled_from([b"", b"\0" * 7])))
    with AnswerLog.opened(path, PROTOCOL, "anna") as log:
        kept = max(sum(end <= cut for end in whole) - 1, 0)
        answered = [row for row in log.rows if row.event == "answered"]
        assert len(answered) == kept
        is_torn = path.stat().st_size and cut not in (0, *whole) or len(content[:cut]) != cut
        assert any("half-written" in row.comment for row in log.rows) or not is_torn
        log.append(AnswerRow("answered", position="9"))
    assert [row.position for row in read_answers(path, PROTOCOL, "anna") if row.event == "answered"][-1] == "9"


def test_two_readers_at_once_do_not_disturb_each_other(study):
    children = [start(study, name) for name in ("anna", "ben")]
    for child in children:
        assert child.communicate(timeout=60)[0].split() == [str(place) for place in range(12)]
        assert child.returncode == 0
    files = answer_files(study, Protocol.read(study))
    assert {name: len(final_answers(rows)) for name, rows in files.items()} == {"anna": 12, "ben": 12}


FULL = """
import resource, sys
from pathlib import Path
from TumorSynthLib.errors import ResourceError
from TumorSynthLib.reading import Session
path = Path(sys.argv[1]) / "answers" / (sys.argv[2] + ".csv")
with Session.open(sys.argv[1], sys.argv[2]) as session:
    session.current_case()
    session.answer("real", confidence=3)
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 60, resource.RLIM_INFINITY))
    case = session.current_case()
    try:
        session.answer("synthetic", confidence=5)
    except ResourceError as error:
        print(error)
    assert path.read_bytes() == before, "half a line stayed"
    assert session.current_case() == case and session.progress.answered == 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    session.answer("synthetic", confidence=5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_gives_one_clear_line_and_loses_nothing(study):
    child = start(study, "anna", FULL)
    said = child.communicate(timeout=60)[0]
    assert child.returncode == 0
    assert said.count("\n") == 1 and "could not be saved" in said and "all earlier answers are safe" in said
    assert [row.answer for row in answers_of(study) if row.event == "answered"] == ["real", "synthetic"]


def test_a_folder_that_cannot_be_written_is_told(study, monkeypatch):
    (study / "answers").write_text("a file in the folder's place")
    with pytest.raises(ResourceError, match="could not be saved"):
        Session.open(study, "anna")


# -- tampering


def tampered(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.chmod(0o644)
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("change", ["edit", "remove", "insert", "swap", "header"])
def test_changed_answers_are_refused_by_line(study, change):
    read_all(study, "anna", lambda truth, random: ("real", 3), 0, until=5)
    path = study / "answers" / "anna.csv"
    lines = path.read_text().split("\n")
    if change == "edit":
        lines[3] = lines[3].replace("real,3", "synthetic,3")
    if change == "remove":
        del lines[3]
    if change == "insert":
        lines.insert(3, lines[2])
    if change == "swap":
        lines[2], lines[3] = lines[3], lines[2]
    if change == "header":
        lines[0] = lines[0].replace("answer", "Answer", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"anna\.csv: line \d"):
        Session.open(study, "anna")
    with pytest.raises(InputError, match=r"anna\.csv: line \d"):
        answer_files(study, Protocol.read(study))


def test_a_changed_protocol_key_or_case_is_refused_by_file(study):
    from TumorSynthLib.reading.truth import read_truth

    protocol = Protocol.read(study)
    case = next(iter(protocol.cases))
    path = study / "cases" / f"{case}.nii"
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{case}.nii: the case was changed"):
        protocol.check_cases(study)
    tampered(study / "key" / "truth.json", '"real"', '"synthetic"')
    with pytest.raises(InputError, match="truth key was changed"):
        read_truth(study, protocol)
    tampered(study / "session.json", '"margin": 0.1', '"margin": 0.3')
    with pytest.raises(InputError, match=r"session\.json: the protocol was changed"):
        Session.open(study, "anna")


def test_a_protocol_sealed_anew_does_not_fit_its_answers(study):
    """Whoever changes the margin after the reading and mends the checksum is found out by the answers."""
    from TumorSynthLib.reading.checksums import sealed

    read_all(study, "anna", lambda truth, random: ("real", 3), 0, until=2)
    path = study / "session.json"
    path.chmod(0o644)
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), "margin": 0.3})))
    with pytest.raises(InputError, match="answers to another protocol"):
        Session.open(study, "anna")


def test_answers_of_another_reader_do_not_pass_as_ones_own(study):
    read_all(study, "anna", lambda truth, random: ("real", 3), 0, until=2)
    shutil.copy(study / "answers" / "anna.csv", study / "answers" / "ben.csv")
    with pytest.raises(InputError, match="line 2"):
        Session.open(study, "ben")
    (study / "answers" / "ben.csv").rename(study / "answers" / "carl.csv")
    with pytest.raises(InputError, match="no reader of this study"):
        answer_files(study, Protocol.read(study))


@given(st.lists(st.text(max_size=30), max_size=6))
def test_any_comment_comes_back_on_one_line(comments):
    lines, last = [], None
    from TumorSynthLib.reading.answers import _HEADER, COLUMNS, _as_line, _one_line, first_link, next_link

    last = first_link(PROTOCOL, "a")
    for comment in comments:
        values = {**dict.fromkeys(COLUMNS, ""), "event": "noted", "comment": _one_line(comment)}
        body = _as_line([values[name] for name in COLUMNS])
        last = next_link(last, body)
        lines.append(f"{body},{last}\n")
    rows, _ = parse((_HEADER + "".join(lines)).encode("utf-8", "surrogatepass"), Path("x"), PROTOCOL, "a")
    assert [row.comment for row in rows] == [" ".join(comment.replace("\0", " ").split()) for comment in comments]


def test_all_answers_are_exported_without_the_truth(study, tmp_path):
    read_all(study, "anna", lambda truth, random: ("synthetic", 2), 0, until=3)
    read_all(study, "ben", lambda truth, random: ("real", 5), 0, until=2)
    shutil.rmtree(study / "key")
    assert export_answers(study, tmp_path / "all.csv") == 3 + 2 + 2
    with pytest.raises(InputError, match="exists already"):
        export_answers(study, tmp_path / "all.csv")
