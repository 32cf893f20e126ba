"""Mutation testing: how many small faults, put into the code one at a time, do the tests notice?

    python benchmarks/mutation.py                         # a sample of every area
    python benchmarks/mutation.py export --sample 0       # every mutant of one area
    python benchmarks/mutation.py export --survivors      # again, those that survived the last run

mutmut makes the mutants: it changes one operator, number, text, argument or branch of a function,
and runs the tests that reach the function, the fastest first, until one fails.  It works in a copy
of the repository, build/mutation/AREA.  Functions with decorators (properties among them), class
and module level, and the texts of exceptions stay as they are.

mutmut is no dependency of motes: pip install -e ".[mutation]".
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "mutation"
COPIED = ("src", "tests", "docs", "benchmarks", "examples", "README.md", "hubconf.py", "Makefile")
"""Whatever of these exists; tests read some of them."""


@dataclass(frozen=True)
class Area:
    """Files to be changed (glob patterns from the root), and the tests that ought to notice."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    deselected: tuple[str, ...] = ()
    """Tests that take long, and those that start Python in another folder, which mutmut refuses."""

    def sources(self) -> Iterable[Path]:
        """The files, from the root."""
        return (p.relative_to(ROOT) for glob in self.files for p in sorted(ROOT.glob(glob)))


AREAS = {
    "coordinates": Area(("src/motes/coordinates.py",), ("tests/test_coordinates.py",)),
    "metrics": Area(("src/motes/eval/metrics.py",), ("tests/eval/test_metrics.py",)),
    "windows": Area(("src/motes/tracking/windows.py",), ("tests/tracking/test_windows.py",)),
    "stream": Area(
        ("src/motes/tracking/stream.py",),
        ("tests/tracking/test_stream.py",),
        ("tests/tracking/test_stream.py::test_saved_and_resumed_in_another_process",),
    ),
    "export": Area(
        ("src/motes/export/*.py",),
        ("tests/export",),
        ("tests/export/test_formats.py::test_a_hundred_thousand_points",),
    ),
    "models": Area(
        ("src/motes/models/*.py",),
        ("tests/models",),
        (
            "tests/models/test_cotracker.py::test_compiled",
            "tests/models/test_cotracker.py::test_a_broken_compiler",
            "tests/models/test_cotracker.py::test_sizes",
            "tests/models/test_taptr.py::test_number_of_parameters",
            "tests/models/test_weights.py::test_changed_bytes_give_a_model_or_one_error",
            "tests/models/test_download.py::test_a_server_that_says_nothing_is_given_up",
        ),
    ),
}

UNCHANGED = (r"^\s*raise \w", r"\bwarnings\.warn\(")
"""Statements that begin with one of these are not mutated: what they say is for people."""


MUTMUT = """
from mutmut.workers.isolation import ForkServerRunner
import mutmut.__main__
ForkServerRunner.run_clean_tests = lambda self, tests: 0
mutmut.__main__.cli()
"""
"""mutmut, without its second run of all tests: they passed while it noted what they reach."""


@dataclass
class Outcome:
    """What became of the mutants of one area."""

    made: int
    """Mutants that mutmut can make of the area."""
    status: dict[str, str] = field(default_factory=dict)
    """Of each mutant that was tried: killed, survived, timeout, no tests..."""

    @property
    def survivors(self) -> list[str]:
        """Mutants that no test noticed; one that hangs is noticed."""
        noticed = {"killed", "timeout", "segfault"}
        return sorted(name for name, status in self.status.items() if status not in noticed)

    def row(self, area: str) -> str:
        """A line of the table."""
        tried = len(self.status)
        killed = tried - len(self.survivors)
        return f"| {area} | {self.made} | {tried} | {killed} | {100 * killed / tried:.0f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}")
    parser.add_argument("--sample", type=int, default=80, help="mutants an area; 0: every one")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--survivors", action="store_true", help="only those of the last run")
    options = parser.parse_args()
    if unknown := sorted({*options.areas} - {*AREAS}):
        parser.error(f"expected areas of {', '.join(AREAS)}; got {', '.join(unknown)}")
    os.nice(5)  # a run takes long: other work goes first
    outcomes = {name: measure(name, options) for name in options.areas or AREAS}
    print("| area | mutants | tried | killed | |\n|---|---|---|---|---|")
    for name, outcome in outcomes.items():
        print(outcome.row(name))


def measure(name: str, options: argparse.Namespace) -> Outcome:
    """Try the mutants of an area, and print the survivors."""
    area, folder = AREAS[name], BUILD / name
    last = (
        Outcome(**json.loads((folder / "outcome.json").read_text())) if options.survivors else None
    )
    if last is None:
        shutil.rmtree(folder, ignore_errors=True)
    copy(area, folder)
    mutants = all_mutants(area, folder)
    if last is not None:
        chosen = last.survivors
    elif options.sample and options.sample < len(mutants):
        chosen = random.Random(options.seed).sample(mutants, options.sample)
    else:
        chosen = mutants
    if chosen:
        mutmut(folder, "run", "--max-children", "1", *chosen)
    found = statuses(folder)
    tried = {**(last.status if last else {}), **{mutant: found[mutant] for mutant in chosen}}
    outcome = Outcome(len(mutants), tried)
    (folder / "outcome.json").write_text(json.dumps(vars(outcome), indent=1))
    print(differences(folder, outcome.survivors))
    print(f"{name}: {dict(Counter(outcome.status.values()))}\n", flush=True)
    return outcome


def copy(area: Area, folder: Path) -> None:
    """Bring the copy of the repository up to date, with the settings of mutmut for this area."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, False, skip, refresh, dirs_exist_ok=True)
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, folder / name)
    settings = {
        "source_paths": ["src"],
        "only_mutate": [str(path) for path in area.sources()],
        "do_not_mutate_patterns": list(UNCHANGED),
        "also_copy": list(COPIED[1:]),
        "pytest_add_cli_args_test_selection": list(area.tests),
        "pytest_add_cli_args": [f"--deselect={test}" for test in area.deselected],
        "process_isolation": "forkserver",  # torch does not like a fork after its first backward
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text("\n".join([project, "[tool.mutmut]", *lines, ""]))


def refresh(source: str, target: str) -> None:
    """Copy a file whose content differs; its new time tells mutmut to make its mutants again."""
    if not Path(target).exists() or Path(source).read_bytes() != Path(target).read_bytes():
        shutil.copyfile(source, target)


def all_mutants(area: Area, folder: Path) -> list[str]:
    """Names of all mutants that mutmut makes of the files of an area, always in the same order."""
    script = """
        from mutmut.mutation.file_mutation import mutate_file_contents
        from mutmut.utils.format_utils import get_mutant_name
        for path in map(Path, sys.argv[1:]):
            for name in mutate_file_contents(str(path), path.read_text()).mutant_names:
                print(get_mutant_name(path, name))
    """
    return inside(folder, script, area.sources()).split()


def differences(folder: Path, mutants: Iterable[str]) -> str:
    """The changed lines of these mutants."""
    script = """
        from mutmut.mutation.diff_apply import get_diff_for_mutant
        for name in sys.argv[1:]:
            lines = get_diff_for_mutant(name).splitlines()
            print("", name, *(line for line in lines[2:] if line[:1] in "-+"), sep="\\n")
    """
    return inside(folder, script, mutants)


def inside(folder: Path, script: str, arguments: Iterable[object]) -> str:
    """What a script that uses mutmut prints, run in a copy."""
    script = "import sys\nfrom pathlib import Path\n" + textwrap.dedent(script)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    run = subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    return run.stdout


def mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in a copy; its tests, and the processes they start, import the mutants."""
    sources = folder / "mutants" / "src"
    sources.mkdir(parents=True, exist_ok=True)  # Python ignores what is not there when it starts
    environment = {**os.environ, "PYTHONPATH": str(sources), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MUTMUT, *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE)
    if run.returncode:
        said = [line for line in run.stdout.splitlines() if line.isascii()]  # no progress
        sys.exit("\n".join([*said[-20:], f"mutmut {arguments[0]} failed in {folder}"]))
    return run.stdout


def statuses(folder: Path) -> dict[str, str]:
    """What became of each mutant."""
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    pairs = (line.strip().rpartition(": ") for line in lines if ": " in line)
    return {name: status for name, _, status in pairs}


if __name__ == "__main__":
    main()
