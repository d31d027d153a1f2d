"""Execution: the cache, its key, failures that must show, kills that must leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest

from book.tools import build, cache, execute, fingerprint, records, stage
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import Page, discover, solution, starter

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = """\
---
kernelspec: {display_name: Python 3, name: python3}
chapter: small
data: [set/recording]
---

# Small

Some text.

"""
CELL = "```{code-cell} ipython3\nfrom neurotutor import used\nvalue = used.NUMBER\nvalue\n```\n"


def write(root: Path, name: str, text: str) -> Path:
    """Write a file below `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """A book of one small page, with a package of three modules."""
    monkeypatch.delenv("NEUROTUTOR_DATA", raising=False)
    write(tmp_path, "book/part/small.md", HEAD + CELL)
    write(tmp_path, "neurotutor/__init__.py", "")
    write(tmp_path, "neurotutor/used.py", "from neurotutor import deeper\nNUMBER = deeper.NUMBER\n")
    write(tmp_path, "neurotutor/deeper.py", "NUMBER = 41\n")
    write(tmp_path, "neurotutor/unused.py", "NUMBER = 1\n")
    return Layout(tmp_path)


def key(layout: Layout, versions=("torch==1",), claims=()) -> str:
    """Key of the only page."""
    (page,) = discover(layout)
    return fingerprint.execution_key(layout, page, list(claims), list(versions))


def run(layout: Layout) -> dict[str, cache.Execution]:
    """Execute whatever needs it."""
    return execute.execute_all(layout, execute.plan(layout, discover(layout)))


def test_the_longest_page_begins(layout, monkeypatch):
    """On a new machine the committed seconds tell the order; a page without any comes first."""
    for name in ("brief", "long", "new"):
        write(layout.root, f"book/part/{name}.md", HEAD.replace("small", name) + CELL)
    begun = []

    def refused(_, job):
        begun.append(job.page.path.stem)
        raise execute.ExecutionFailed("not here")

    monkeypatch.setattr(execute, "execute", refused)
    jobs = execute.plan(layout, discover(layout))
    seconds = {job.page.name: {"brief": 1.0, "long": 9.0}.get(job.page.path.stem) for job in jobs}
    expected = {name: value for name, value in seconds.items() if value}
    with pytest.raises(execute.ExecutionFailed, match="4 of 4 notebooks failed"):
        execute.execute_all(layout, jobs, at_once=1, expected=expected)
    assert set(begun[:2]) == {"new", "small"}
    assert begun[2:] == ["long", "brief"]


# ------------------------------------------------------------------------------------- the key


def test_prose_does_not_change_the_key(layout):
    """Editing text alone executes nothing again."""
    before = key(layout)
    write(layout.root, "book/part/small.md", HEAD.replace("Some", "Other") + CELL + "\nMore.\n")
    assert key(layout) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("book/part/small.md", HEAD + CELL.replace("value\n`", "value + 1\n`")),
        ("book/part/small.md", HEAD + CELL.replace("```{code", "```{code", 1) + CELL),
        ("book/part/small.md", HEAD + CELL.replace("from", ":tags: [hide-input]\n\nfrom")),
        ("neurotutor/used.py", "NUMBER = 2\n"),
        ("neurotutor/deeper.py", "NUMBER = 2\n"),
        ("neurotutor/__init__.py", "X = 1\n"),
        ("neurotutor/teaching/exercises/small.py", "def checker(answer): ...\n"),
        ("data/cache/set/recording.npz", "anything"),
        ("book/part/small.paper.json", "{}"),
    ],
)
def test_what_changes_the_key(layout, name, text):
    """Code, tags, imported modules however deep, recordings and recorded runs execute again."""
    before = key(layout)
    write(layout.root, name, text)
    assert key(layout) != before


def test_a_record_matters_to_the_page_that_reads_it(layout):
    """Measuring again executes a page whose cells read the record, and no other."""
    before = key(layout)
    write(layout.root, "benchmarks/small.json", "{}")
    assert key(layout) == before
    reads = CELL.replace("from", "FOLDER = 'benchmarks'\nfrom")
    write(layout.root, "book/part/small.md", HEAD + reads)
    before = key(layout)
    write(layout.root, "benchmarks/small.json", '{"schema": 1}')
    assert key(layout) != before


def test_unused_module_does_not_change_the_key(layout):
    """A module that the page does not import does not matter to it."""
    before = key(layout)
    write(layout.root, "neurotutor/unused.py", "NUMBER = 2\n")
    assert key(layout) == before


def test_versions_claims_and_scale_change_the_key(layout, monkeypatch):
    """A changed pin, a changed claim and another scale execute again."""
    keys = {key(layout), key(layout, versions=["torch==2"]), key(layout, claims=[{"id": "a"}])}
    monkeypatch.setenv("NEUROTUTOR_SCALE", "paper")
    assert len(keys | {key(layout)}) == 4


def test_versions_are_those_installed():
    """The key sees what is installed, not what is asked for."""
    assert f"numpy=={np.__version__}" in fingerprint.installed_versions()


def test_recordings_count_by_content(layout, tmp_path, monkeypatch):
    """A recording elsewhere with the same content is the same; with another it is not."""
    write(layout.root, "data/cache/set/recording.npz", "one")
    here = key(layout)
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path / "elsewhere"))
    write(tmp_path, "elsewhere/set/recording.npz", "one")
    assert key(layout) == here
    write(tmp_path, "elsewhere/set/recording.npz", "two")
    assert key(layout) != here


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import neurotutor.a as a", {"neurotutor.a"}),
        ("from neurotutor import a, b", {"neurotutor", "neurotutor.a", "neurotutor.b"}),
        ("%matplotlib inline\nfrom neurotutor.a import b", {"neurotutor.a", "neurotutor.a.b"}),
        ("%%time\nimport neurotutor.a", {"neurotutor.a"}),
        ("def f():\n    import neurotutor.late", {"neurotutor.late"}),
        ("import_module('neurotutor.named')", {"neurotutor.named"}),
        ("import numpy, neurotutors", set()),
        ("this is not python", set()),
    ],
)
def test_imported_names(source, expected):
    """Imports of a cell are found, also behind magics, in functions and by name."""
    assert fingerprint.imported_names(source, "neurotutor") == expected


def test_relative_imports_are_followed(layout):
    """`from . import x` in a package leads to its modules."""
    write(layout.root, "neurotutor/part/__init__.py", "from .one import thing\n")
    write(layout.root, "neurotutor/part/one.py", "from ..deeper import NUMBER\nfrom . import two\n")
    write(layout.root, "neurotutor/part/two.py", "")
    found = fingerprint.closure(layout.root, ["neurotutor.part"])
    assert {"neurotutor.part.one", "neurotutor.part.two", "neurotutor.deeper"} <= set(found)


# ------------------------------------------------------------------------------- executing


def test_executes_once_and_merges_new_text(layout):
    """A second run takes the kept outputs; new text is shown with them."""
    first = run(layout)["small"]
    assert first.notebook.cells[1].outputs[0]["data"]["text/plain"] == "41"
    assert first.cost["wall_seconds"] > 0
    assert first.cost["peak_bytes"] > 30e6
    stamp = (layout.cache / "small" / key_on_disk(layout) / "cost.json").stat().st_mtime_ns
    write(layout.root, "book/part/small.md", HEAD.replace("Some", "Other") + CELL)
    second = run(layout)["small"]
    assert (layout.cache / "small" / key_on_disk(layout) / "cost.json").stat().st_mtime_ns == stamp
    merged = stage.merge(discover(layout)[0], second)
    assert "Other text." in merged.cells[0].source
    assert merged.cells[1].outputs[0]["data"]["text/plain"] == "41"
    write(layout.root, "neurotutor/deeper.py", "NUMBER = 42\n")
    third = run(layout)["small"]
    assert third.notebook.cells[1].outputs[0]["data"]["text/plain"] == "42"


def key_on_disk(layout: Layout) -> str:
    """Name of the only kept entry."""
    (entry,) = (layout.cache / "small").glob("[!.]*")
    return entry.name


@pytest.mark.parametrize(
    "cell",
    [
        "raise ValueError('the sky fell')",
        ":tags: [raises-exception]\n\nraise ValueError('the sky fell')",
    ],
)
def test_a_failing_cell_fails_the_run(layout, cell):
    """The cell and its traceback are printed, the exit code is not zero, nothing is kept."""
    page = f"{HEAD}{CELL}\n```{{code-cell}} ipython3\n{cell}\n```\n"
    write(layout.root, "book/part/small.md", page)
    command = [sys.executable, "-m", "book.tools", "--root", str(layout.root), "execute"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "code cell 2 of 2 failed" in done.stderr
    assert "raise ValueError('the sky fell')" in done.stderr
    assert "ValueError: the sky fell" in done.stderr
    assert not list((layout.cache / "small").glob("*"))


def test_a_page_cannot_switch_failures_off(layout):
    """Metadata that would let errors pass is not handed to the kernel."""
    text = HEAD.replace("chapter:", "execution: {allow_errors: true}\nchapter:")
    text += "```{code-cell} ipython3\n1 / 0\n```\n"
    write(layout.root, "book/part/small.md", text)
    with pytest.raises(execute.ExecutionFailed):
        run(layout)


def test_a_cell_that_does_not_run_fails_the_run(layout, capfd):
    """A skipped cell is no success."""
    cell = "```{code-cell} ipython3\n:tags: [skip-execution]\n\nvalue = 1\n```\n"
    write(layout.root, "book/part/small.md", HEAD + cell)
    with pytest.raises(execute.ExecutionFailed):
        run(layout)
    assert "this cell was not executed" in capfd.readouterr().err


def test_a_dead_kernel_fails_the_run(layout):
    """A kernel that dies is a failure with a message, not a notebook without outputs."""
    cell = "```{code-cell} ipython3\nimport os\nos._exit(1)\n```\n"
    write(layout.root, "book/part/small.md", HEAD + cell)
    with pytest.raises(execute.ExecutionFailed):
        run(layout)


@pytest.mark.parametrize(
    "cell",
    [
        "import numpy as np\nnp.empty(2**50)",
        "import torch\ntorch.empty(2**50)",
        "import torch\nraise torch.OutOfMemoryError('CUDA out of memory')",
        "raise MemoryError",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_memory_that_runs_out_names_what_to_lower(layout, monkeypatch, cell, capfd):
    """At the paper's scale the message says which setting decides."""
    monkeypatch.setenv("NEUROTUTOR_SCALE", "paper")
    head = HEAD.replace("chapter:", "memory_setting: neurotutor.used.Config.batch\nchapter:")
    write(layout.root, "book/part/small.md", f"{head}```{{code-cell}} ipython3\n{cell}\n```\n")
    with pytest.raises(execute.ExecutionFailed):
        run(layout)
    assert "Lower `batch` of `Config` (neurotutor.used): at the" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("scale", "cell", "setting"),
    [
        ("tutorial", "raise MemoryError", "neurotutor.used.Config.batch"),
        ("paper", "raise ValueError('too many')", "neurotutor.used.Config.batch"),
    ],
)
def test_other_failures_do_not_speak_of_memory(layout, monkeypatch, capfd, scale, cell, setting):
    """A failure of another kind, and one at the small scale, keep to what happened."""
    monkeypatch.setenv("NEUROTUTOR_SCALE", scale)
    head = HEAD.replace("chapter:", f"memory_setting: {setting}\nchapter:")
    write(layout.root, "book/part/small.md", f"{head}```{{code-cell}} ipython3\n{cell}\n```\n")
    with pytest.raises(execute.ExecutionFailed):
        run(layout)
    assert "Lower" not in capfd.readouterr().err


def test_one_failure_does_not_lose_the_others(layout):
    """The page that works is kept, and not executed again."""
    write(
        layout.root,
        "book/part/bad.md",
        HEAD.replace("small", "bad") + CELL + "\n```{code-cell} ipython3\n1 / 0\n```\n",
    )
    with pytest.raises(execute.ExecutionFailed, match="1 of 2 notebooks failed: bad"):
        run(layout)
    assert key_on_disk(layout)
    assert not (layout.cache / "bad").exists()


def test_kernels_run_on_one_thread_with_their_own_settings(layout, monkeypatch):
    """Threads, records and data folders reach the kernel; a user's pytest options do not."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("NEUROTUTOR_DATA", "relative")
    cell = (
        "```{code-cell} ipython3\nimport os\nfrom pathlib import Path\n"
        "print(*(os.environ[k] for k in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')),\n"
        "      Path(os.environ['NEUROTUTOR_DATA']).is_absolute(),\n"
        "      bool(os.environ['NEUROTUTOR_RECORDS']))\n```\n"
    )
    write(layout.root, "book/part/small.md", HEAD + cell)
    assert run(layout)["small"].notebook.cells[1].outputs[0]["text"] == "1 1 True True\n"


# -------------------------------------------------------------------------------- records


CLAIM = {"id": "a", "checks": [{"name": "n", "label": "l", "op": "<", "tutorial": 1, "paper": 1}]}
MET = {"verdict": "met", "checks": [{"value": 0.5}]}


@pytest.mark.parametrize(
    ("claim", "entry", "absent", "expected"),
    [
        ({}, MET, (), None),
        ({}, None, (), "never recorded"),
        ({}, {"verdict": "unmet", "checks": [{}]}, (), "gives no reason"),
        ({"unmet": "known"}, {"verdict": "unmet", "checks": [{}]}, (), None),
        ({"data": "s/r"}, {"verdict": "needs data"}, ("s/r",), None),
        ({"data": "s/r"}, {"verdict": "needs data"}, (), "s/r is here"),
        ({}, {"verdict": "needs data"}, ("s/r",), "declares none"),
        ({"scale": "paper"}, None, (), None),
        ({}, {"verdict": "met", "checks": []}, (), "without a measured number"),
        ({}, {"verdict": "splendid", "checks": [{}]}, (), "unknown verdict"),
    ],
)
def test_claims_on_record(claim, entry, absent, expected):
    """Each claim must be on record in a way that its entry allows."""
    record = {"claims": {"a": entry} if entry else {}}
    found = records.problems(
        "small", [{**CLAIM, **claim}], record, absent=absent, at_scale="tutorial"
    )
    if expected is None:
        assert found == []
    else:
        assert len(found) == 1
        assert expected in found[0]


def test_a_record_of_an_unknown_claim_is_a_problem():
    """A chapter cannot record what claims.toml does not list."""
    record = {"claims": {"b": MET, "a": MET}}
    found = records.problems("small", [CLAIM], record, absent=(), at_scale="tutorial")
    assert found == ["small.b is recorded but not in claims.toml"]


def test_a_missing_record_fails_the_run(layout):
    """A page that never records its claim is not kept, although its cells ran."""
    toml = '[[small]]\nid = "a"\n[[small.checks]]\nname = "n"\ntutorial = 1\n'
    write(layout.root, "book/claims.toml", toml)
    with pytest.raises(execute.ExecutionFailed):
        run(layout)
    assert not (layout.cache / "small").exists()


def test_a_run_at_the_papers_scale_is_recorded_as_it_came_out(layout):
    """One command executes, keeps what was measured beside the page, and is not repeated."""
    toml = '[[small]]\nid = "a"\n[[small.checks]]\nname = "n"\ntutorial = 1\npaper = 1\n'
    write(layout.root, "book/claims.toml", toml)
    cell = (
        "```{code-cell} ipython3\nimport json, os, pathlib\n"
        "folder = pathlib.Path(os.environ['NEUROTUTOR_RECORDS'])\n"
        "folder.mkdir(exist_ok=True)\n"
        "said = {'claims': {'a': {'verdict': 'unmet', 'checks': [{'value': 2}]}},\n"
        "        'environment': {'scale': os.environ['NEUROTUTOR_SCALE'], 'device': 'cpu'}}\n"
        "(folder / 'claims-small.json').write_text(json.dumps(said))\n```\n"
    )
    write(layout.root, "book/part/small.md", HEAD + cell)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROTUTOR_SCALE", "tutorial")
        build.paper(layout, ["small"])
        path = layout.book / "part" / "small.paper.json"
        made = json.loads(path.read_text(encoding="utf-8"))
        assert made["claims"]["a"]["verdict"] == "unmet"
        assert made["environment"]["scale"] == "paper"
        assert made["wall_seconds"] >= 0
        written = path.stat().st_mtime_ns
        build.paper(layout, ["small"])
        assert path.stat().st_mtime_ns == written
        patch.setenv("NEUROTUTOR_SCALE", "tutorial")
        with pytest.raises(execute.ExecutionFailed):
            run(layout)


# ------------------------------------------------------------------------------ the cache


def entry(cell: str = "1") -> cache.Execution:
    """A small execution to keep."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell, id="c")])
    return cache.Execution(notebook, {"wall_seconds": 1.0}, {"claims": {}})


def test_store_and_load(tmp_path):
    """What was kept comes back, under its key only."""
    cache.store(tmp_path, "page", "k", entry())
    assert cache.load(tmp_path, "page", "k").notebook.cells[0].source == "1"
    assert cache.load(tmp_path, "page", "other") is None
    assert cache.load(tmp_path, "other", "k") is None


@pytest.mark.parametrize("name", ["notebook.ipynb", "cost.json", "record.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_damaged_entries_are_not_trusted(tmp_path, name, damage):
    """A file of an entry that is cut, gone or changed makes the entry worthless, not wrong."""
    cache.store(tmp_path, "page", "k", entry())
    path = tmp_path / "page" / "k" / name
    if damage == "gone":
        path.unlink()
    else:
        text = path.read_text()
        path.write_text(text[: len(text) // 2] if damage == "cut" else text.replace("1", "2") + " ")
    assert cache.load(tmp_path, "page", "k") is None
    cache.store(tmp_path, "page", "k", entry("3"))
    assert cache.load(tmp_path, "page", "k").notebook.cells[0].source == "3"


def test_old_entries_are_forgotten(tmp_path):
    """The cache keeps the last few executions of a page, and does not grow for ever."""
    for number in range(cache.KEEP + 3):
        cache.store(tmp_path, "page", f"k{number}", entry(str(number)))
        os.utime(tmp_path / "page" / f"k{number}", (number, number))
    assert cache.load(tmp_path, "page", f"k{cache.KEEP + 2}") is not None
    assert len(list((tmp_path / "page").iterdir())) == cache.KEEP


STORING = """
import sys, nbformat
from pathlib import Path
from book.tools import cache
cells = [nbformat.v4.new_code_cell("x" * 10_000, id=f"c{i}") for i in range(40)]
notebook = nbformat.v4.new_notebook(cells=cells)
print("ready", flush=True)
for number in range(10_000):
    cache.store(Path(sys.argv[1]), "page", f"k{number % 3}",
                cache.Execution(notebook, {"wall_seconds": float(number)}, {}))
"""


def test_a_kill_leaves_no_half_entry(tmp_path):
    """SIGKILL at many moments while entries are written: each is whole, or not there."""
    seen = 0
    generator = np.random.default_rng(0)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", STORING, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            time.sleep(generator.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
        for number in range(3):
            folder = tmp_path / "page" / f"k{number}"
            found = cache.load(tmp_path, "page", f"k{number}")
            assert (found is not None) == folder.exists()
            if found is not None:
                seen += 1
                assert len(found.notebook.cells) == 40
    assert seen > 0


def test_a_killed_driver_keeps_nothing_and_recovers(layout):
    """SIGKILL of the whole driver while a page executes; the next run does it from the start."""
    slow = CELL + "\n```{code-cell} ipython3\nimport time\ntime.sleep(1)\n```\n"
    write(layout.root, "book/part/small.md", HEAD + slow)
    command = [sys.executable, "-m", "book.tools", "--root", str(layout.root), "execute"]
    for wait in (0.3, 1.0, 2.0):
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        for found in layout.cache.glob("small/[!.]*"):
            assert cache.load(layout.cache, "small", found.name) is not None
    execution = run(layout)["small"]
    assert execution.notebook.cells[1].outputs[0]["data"]["text/plain"] == "41"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_driver_leaves_no_kernel(layout, how):
    """What a run at the paper's scale was doing ends with it, and does not meet the next one."""
    kernel = layout.root / "kernel"
    cell = f"import os, time\nopen({str(kernel)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    write(layout.root, "book/part/small.md", f"{HEAD}```{{code-cell}} ipython3\n{cell}\n```\n")
    command = [sys.executable, "-m", "book.tools", "--root", str(layout.root), "paper", "small"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
        while not (kernel.is_file() and kernel.read_text()):
            assert process.poll() is None
            time.sleep(0.1)
        number = int(kernel.read_text())
        assert psutil.pid_exists(number)
        process.send_signal(how)
    for _ in range(300):
        if not psutil.pid_exists(number):
            break
        time.sleep(0.1)
    assert not psutil.pid_exists(number)


# ------------------------------------------------------------------------- exercises, staging


EXERCISE = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    result = 2 * x
    return result
    ### END SOLUTION


def use():
    return double(1)'''


def test_starter_and_solution():
    """The starter raises where the solution stood; the solution shows no markers."""
    begin = starter(EXERCISE)
    assert "result" not in begin
    assert '"write double here, then run this cell and the check below it"' in begin
    space: dict = {}
    exec(begin, space)
    with pytest.raises(NotImplementedError):
        space["use"]()
    exec(solution(EXERCISE), space)
    assert space["use"]() == 2
    assert "###" not in solution(EXERCISE)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "no solution region"),
        ("### BEGIN SOLUTION\nx = 1", "not closed"),
        ("### END SOLUTION", "never opened"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "inside another"),
    ],
)
def test_malformed_exercises(source, message):
    """A marker that is missing or misplaced is an error that says which."""
    with pytest.raises(BuildError, match=message):
        starter(source)


def test_site_shows_the_starter_and_folds_the_solution(layout):
    """On the site the starter stands before the solved cell, which is folded and labelled."""
    cell = f"```{{code-cell}} ipython3\n:tags: [exercise]\n\n{EXERCISE}\n```\n"
    path = write(layout.root, "book/part/small.md", HEAD + cell)
    page = Page.read(path, layout.book)
    shown = stage.for_site(page, page.notebook()).cells
    assert "NotImplementedError" in shown[1].source
    assert shown[2].metadata["tags"] == ["exercise", "hide-input"]
    assert shown[2].metadata["mystnb"]["code_prompt_show"] == "Worked solution"


def test_staged_tree_is_exact(tmp_path):
    """Writing a tree removes what does not belong, and leaves what did not change alone."""
    first = stage.write(tmp_path, {"a/b.md": b"1", "c.md": b"2"})
    before = (tmp_path / "c.md").stat().st_mtime_ns
    second = stage.write(tmp_path, {"c.md": b"2", "d.md": b"3"})
    assert first != second
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "c.md").stat().st_mtime_ns == before
    assert stage.write(tmp_path, {"d.md": b"3", "c.md": b"2"}) == second


def test_names_must_be_unique(layout):
    """Two pages of one name would share their cache and their claims."""
    shutil.copy(layout.book / "part" / "small.md", layout.book / "other.md")
    with pytest.raises(BuildError, match="both called small"):
        discover(layout)


def test_unknown_pages_are_refused(layout):
    """A command that names no page says which there are."""
    with pytest.raises(BuildError, match="no page called 'hiva'.*small"):
        build.execute(layout, ["hiva"])
