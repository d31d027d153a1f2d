"""Claims can be met, fail, be explained, be forgotten; each is told apart."""

import json

import pytest

from neurotutor.teaching import claims

TOML = """
[[toy]]
id = "grows"
sentence = "It grows."
paper = "2.0"
where = "Table 1"
why = "half of the paper's value"
[[toy.checks]]
name = "growth"
label = "growth <per hour>"
op = ">="
tutorial = 1.0
paper = 2.0

[[toy]]
id = "shrinks"
sentence = "It shrinks, twice."
paper = "not given"
where = "Figure 2"
why = "sign only"
unmet = "{reason}"
[[toy.checks]]
name = "first"
label = "first"
op = "<"
tutorial = 0.0
[[toy.checks]]
name = "second"
label = "second"
op = "<="
tutorial = 0.5

[[toy]]
id = "large"
sentence = "Only at the paper's scale."
paper = "9"
where = "Table 3"
why = "size"
scale = "paper"
[[toy.checks]]
name = "size"
label = "size"
op = ">"
paper = 8.0
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    def write(reason=""):
        path = tmp_path / "claims.toml"
        path.write_text(TOML.replace("{reason}", reason), encoding="utf-8")
        claims.load.cache_clear()
        loaded = claims.load(path)
        monkeypatch.setattr(claims, "load", lambda: loaded)
        monkeypatch.setattr(claims, "_recorded", {})
        monkeypatch.setattr(claims, "BOOK", tmp_path)
        monkeypatch.setenv("NEUROTUTOR_RECORDS", str(tmp_path / "records"))
        return tmp_path

    return write


def test_a_claim_is_met_exactly_at_its_threshold(book):
    book()
    assert claims.check("toy", "grows", 1.0, seeds=[0]).outcome == "met"
    assert claims.check("toy", "grows", 0.999, seeds=[0]).outcome == "unmet"
    both = claims.check("toy", "shrinks", {"first": 0.0, "second": 0.5}, seeds=range(3))
    assert [each.met for each in both.checks] == [False, True]
    assert both.outcome == "unmet"


def test_a_verdict_at_the_end_of_a_cell_reads_as_words(book):
    book()
    assert "the claim reproduces" in claims.check("toy", "grows", 1.0, seeds=[0])._repr_html_()
    missing = claims.needs_data("toy", "grows", "hiwa/mihi_demo")._repr_html_()
    assert "nt-needs-data" in missing
    assert "the claim needs data" in missing


def test_the_paper_scale_has_thresholds_of_its_own(book, monkeypatch):
    book()
    monkeypatch.setenv("NEUROTUTOR_SCALE", "paper")
    assert claims.check("toy", "grows", 1.5, seeds=[0]).outcome == "unmet"
    assert claims.expected("toy", "paper") == ["grows", "large"]
    assert claims.expected("toy", "tutorial") == ["grows", "shrinks"]


def test_records_carry_device_versions_seeds_and_date(book):
    folder = book()
    claims.check("toy", "grows", 1.5, seeds=[3, 4], spread="sd 0.1")
    found = json.loads((folder / "records" / "claims-toy.json").read_text(encoding="utf-8"))
    assert found["claims"]["grows"]["seeds"] == [3, 4]
    assert found["claims"]["grows"]["checks"][0]["value"] == 1.5
    assert {"device", "threads", "torch", "python", "scale"} <= found["environment"].keys()
    assert len(found["date"]) == 10
    assert [path.name for path in (folder / "records").iterdir()] == ["claims-toy.json"]


def test_an_unmet_or_forgotten_claim_fails_the_build(book):
    book()
    claims.check("toy", "shrinks", {"first": -1.0, "second": 0.0}, seeds=[0])
    with pytest.raises(claims.ClaimNotMet, match="toy.grows was never recorded"):
        claims.table("toy")
    claims.check("toy", "grows", 0.5, seeds=[0])
    with pytest.raises(claims.ClaimNotMet, match=r"growth <per hour> = 0.5, asked: >= 1"):
        claims.table("toy")
    claims.check("toy", "grows", 1.5, seeds=[0])
    claims.table("toy")


def test_a_failure_with_a_reason_stays_in_the_table_marked(book):
    book(reason="the recording is too short")
    claims.check("toy", "grows", 1.5, seeds=[0])
    claims.check("toy", "shrinks", {"first": 1.0, "second": 0.0}, seeds=[0])
    claims.table("toy")
    page = claims.render("toy", claims.record("toy"))
    assert "does not reproduce" in page
    assert "the recording is too short" in page
    assert "growth &lt;per hour&gt;" in page
    assert "paper scale only" in page


def test_a_reader_without_a_build_sees_the_table_and_no_exception(book, monkeypatch):
    book()
    monkeypatch.delenv("NEUROTUTOR_RECORDS")
    claims.check("toy", "grows", 0.5, seeds=[0])
    claims.table("toy")


def test_a_run_at_the_papers_scale_shows_its_failures(book, monkeypatch):
    book()
    monkeypatch.setenv("NEUROTUTOR_SCALE", "paper")
    claims.check("toy", "grows", -1e9, seeds=[0])
    found = claims.unexplained("toy", claims.record("toy"))
    assert found == ["toy.large was never recorded"]


def test_missing_recordings_are_said(book):
    book()
    claims.needs_data("toy", "grows", "hiwa/mihi_demo")
    page = claims.render("toy", claims.record("toy"))
    assert "needs data" in page
    assert "python -m neurotutor data fetch hiwa/mihi_demo" in page
    assert claims.unexplained("toy", claims.record("toy")) == ["toy.shrinks was never recorded"]


def test_recorded_paper_scale_numbers_stand_beside_the_live_ones(book):
    folder = book()
    claims.check("toy", "grows", 3.25, seeds=[0])
    (folder / "part").mkdir()
    (folder / "part" / "toy.paper.json").write_text(
        json.dumps(claims.record("toy")), encoding="utf-8"
    )
    page = claims.render("toy", None, claims.paper_record("toy"))
    assert "Paper scale" in page
    assert "3.25" in page
    assert claims.paper_record("other") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: claims.check("toy", "flies", 1.0, seeds=[0]), "no claim 'flies'"),
        (lambda: claims.check("zoo", "grows", 1.0, seeds=[0]), "no chapter 'zoo'"),
        (lambda: claims.check("toy", "shrinks", 1.0, seeds=[0]), "pass a dictionary"),
        (lambda: claims.check("toy", "grows", {"size": 1.0}, seeds=[0]), "asks for growth"),
        (lambda: claims.check("toy", "grows", float("nan"), seeds=[0]), "went wrong"),
    ],
)
def test_bad_records_are_refused(book, call, message):
    book()
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[toy]]\nid = "a"', "lacks"),
        (TOML.replace('op = ">="', 'op = "=="'), "op out of"),
        (TOML.replace('id = "shrinks"', 'id = "grows"'), "twice"),
        (TOML.replace('why = "size"', 'why = "size"\ncolour = "red"'), "unknown fields colour"),
    ],
)
def test_a_malformed_claims_file_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        claims.load(path)
    with pytest.raises(FileNotFoundError, match="checkout"):
        claims.load(tmp_path / "absent.toml")
