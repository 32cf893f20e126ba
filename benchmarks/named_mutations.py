"""Faults that once went unnoticed, each put into the code by hand, and the test that notices it.

    python benchmarks/named_mutations.py            # all
    python benchmarks/named_mutations.py flow       # those in files with "flow" in their names

Each fault replaces one text in one file of a copy of the repository, build/mutation/named.  The
test must pass before and fail after; the table says so.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "mutation" / "named"


@dataclass(frozen=True)
class Fault:
    """One text of a file is replaced."""

    name: str
    file: str  # of src/motes
    right: str
    wrong: str
    test: str  # of tests

    def apply(self) -> None:
        """Put the fault into the copy."""
        path = Path("src", "motes", self.file)
        text = (ROOT / path).read_text()
        if text.count(self.right) != 1:
            sys.exit(f"{path}: expected {self.right!r} once, got it {text.count(self.right)} times")
        (COPY / path).write_text(text.replace(self.right, self.wrong))

    def undo(self) -> None:
        """Take the fault out of the copy."""
        shutil.copy2(ROOT / "src" / "motes" / self.file, COPY / "src" / "motes" / self.file)


FAULTS = (
    Fault(
        "resized positions lose their half pixel",
        "coordinates.py",
        "from_corner(to_corner(xy) * scale)",
        "(xy * scale)",
        "test_coordinates.py::test_a_resize_keeps_the_middle_of_the_picture",
    ),
    Fault(
        "AJ without false alarms",
        "eval/metrics.py",
        "visible.sum() + false_positives",
        "visible.sum()",
        "eval/test_metrics.py::test_a_position_far_off_is_a_miss_and_a_false_alarm",
    ),
    Fault(
        "a distance equal to the threshold is within it",
        "eval/metrics.py",
        "squared < d * d",
        "squared <= d * d",
        "eval/test_metrics.py::test_a_distance_equal_to_the_threshold_is_not_within_it",
    ),
    Fault(
        "ids of csv and parquet come back sorted",
        "export/rows.py",
        "return ids[order], np.argsort(order)[place]",
        "return ids, place",
        "export/test_formats.py::test_ids_keep_their_order_and_every_digit",
    ),
    Fault(
        "error and inverse error are no inverses",
        "models/flow.py",
        "1 / inverse_error[:, :, :T] - 1",
        "1 / inverse_error[:, :, :T]",
        "models/test_flow.py::test_errors_are_kept_from_window_to_window",
    ),
    Fault(
        "of overlapping windows the less confident counts",
        "tracking/windows.py",
        "after.score >= before.score",
        "after.score < before.score",
        "tracking/test_windows.py::test_in_an_overlap_the_more_confident_window_counts",
    ),
    Fault(
        "a stream forgets how long a point has been hidden",
        "tracking/stream.py",
        "torch.where(since < 0, before + T, T - 1 - since)",
        "torch.where(since < 0, T, T - 1 - since)",
        "tracking/test_stream.py::test_hidden_frames_are_counted_in_a_row",
    ),
    Fault(
        "a local support grid leaves the frame",
        "tracking/support.py",
        "np.clip(xy, 0, np.array(size) - 1)",
        "xy",
        "tracking/test_support.py::test_a_local_grid_stays_in_the_frame",
    ),
    Fault(
        "visible ignores confidence, whatever the preset says",
        "models/preset.py",
        "prediction.score if self.score_with_confidence else prediction.visibility",
        "prediction.visibility",
        "models/test_preset.py::test_confidence_counts_where_the_preset_says_so",
    ),
    Fault(
        "flow fields depend on what was requested before",
        "features/flow_fields.py",
        "key = self.size_hw, self.deltas, b - a,",
        "key = self.size_hw, b - a,",
        "features/test_flow_fields.py::test_fields_do_not_depend_on_earlier_requests",
    ),
    Fault(
        "a window of flow forgets where the window before began",
        "models/flow.py",
        "FlowState(xy, 1 / (1 + error), start)",
        "FlowState(xy, 1 / (1 + error))",
        "models/test_flow.py::test_a_long_stream_gives_what_the_whole_video_gives",
    ),
    Fault(
        "displacements have the other sign",
        "models/cotracker3.py",
        "xy[:, :, :-1] - xy[:, :, 1:]",
        "xy[:, :, 1:] - xy[:, :, :-1]",
        "models/test_cotracker.py::test_displacements_are_from_the_next_and_from_the_previous_frame",
    ),
    Fault(
        "the context of attention is not normalised",
        "features/attention.py",
        "self.norm_context(context)",
        "context",
        "features/test_transformer.py::test_the_context_of_attention_is_normalised",
    ),
    Fault(
        "the query mask is one in frames that were refined before",
        "models/cotracker2.py",
        "return (after_query & new)",
        "return after_query",
        "models/test_cotracker.py::test_query_masks_are_one_where_a_window_is_new",
    ),
)


def main() -> None:
    os.nice(5)
    shutil.rmtree(COPY, ignore_errors=True)
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", COPY)
    print("| fault | test | without it | with it |\n|---|---|---|---|")
    chosen = [f for f in FAULTS if any(word in f.file for word in sys.argv[1:] or [""])]
    outcomes = [check(fault) for fault in chosen]
    sys.exit(not all(outcomes))


def check(fault: Fault) -> bool:
    """Whether the test passes without the fault and fails with it; a line of the table."""
    before = passes(fault)
    fault.apply()
    after = passes(fault)
    fault.undo()
    said = ("passes" if outcome else "fails" for outcome in (before, after))
    print(f"| {fault.name} | `{fault.test}` | {' | '.join(said)} |", flush=True)
    return before and not after


def passes(fault: Fault) -> bool:
    """Whether the test passes in the copy.

    Raises:
        SystemExit: The test cannot be run.
    """
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(COPY / "src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [*command, f"tests/{fault.test}"], cwd=COPY, env=environment, capture_output=True, text=True
    )
    if run.returncode not in (0, 1):
        sys.exit(run.stdout + run.stderr)
    return run.returncode == 0


if __name__ == "__main__":
    main()
