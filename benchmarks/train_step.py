"""Seconds per training step of motes-s, and of the research code beside it, in turns.

Both train the chooser (encoder frozen) on the same few rendered clips, with one clip a step, one
thread and bfloat16.  The research code needs the package that it was written for.

    python benchmarks/train_step.py                                       # ours alone
    python benchmarks/train_step.py --research DIR --package OLD/src      # beside the research code

On a shared machine the processor time says more than the wall time.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CLIPS, ROUNDS = 3, 3


def main():
    arguments = parse()
    if arguments.ours:
        return ours(Path(arguments.ours), arguments.steps)
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(arguments.clips or folder)
        render(clips)
        research = arguments.research and as_research(clips, Path(folder) / "research")
        print("| code | s a step, median of rounds |\n| --- | --- |")
        times = {"motes": [], "research": []}
        for _ in range(ROUNDS):
            times["motes"].append(run_ours(clips, arguments.steps))
            if research:
                times["research"].append(run_research(arguments, research))
        for name, found in times.items():
            if found:
                print(f"| {name} | {np.median(found):.2f} |")
    return None


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--research", help="folder of train_chooser.py")
    parser.add_argument("--package", help="source folder of the package that it needs")
    parser.add_argument("--clips", help="where to keep the clips [default: nowhere]")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--ours", help=argparse.SUPPRESS)
    return parser.parse_args()


def options(folder):
    from motes.synthetic import SyntheticConfig
    from motes.train.rendered import RenderedOptions

    return RenderedOptions(str(folder), CLIPS, look=SyntheticConfig(samples=(1, 1)))


def render(folder):
    from motes.train.rendered import Rendered

    source = Rendered.of(options(folder))
    for number in range(CLIPS):
        source.cache.get(number)


def as_research(clips, folder):
    """The same clips as the research code keeps them."""
    from motes.train.rendered import Rendered

    folder.mkdir()
    cache = Rendered.of(options(clips)).cache
    for number in range(CLIPS):
        clip = cache.get(number)
        place = np.moveaxis(clip.candidates, 3, 0), np.moveaxis(clip.error, 3, 0)
        known = {
            name: getattr(clip, name) for name in ("video", "xy", "visible", "valid", "anchors")
        }
        np.savez(folder / f"{number:06d}.npz", **known, guess=place[0][0], error=place[1][0])
        with (folder / f"{number:06d}.all").open("wb") as file:
            np.savez(file, xy=place[0][1:], error=place[1][1:])
    return folder


def environment(package=None):
    found = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return found | ({"PYTHONPATH": str(package)} if package else {})


def run_ours(clips, steps):
    command = [sys.executable, __file__, "--ours", str(clips), "--steps", str(steps)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def ours(clips, steps):
    """Seconds of processor time a step, reading of clips included."""
    from motes.train.allocation import keep_large_arrays

    keep_large_arrays()
    import torch

    from motes.train.batches import seeded
    from motes.train.choosing import ChoosingLearner
    from motes.train.config import LossConfig, ModelConfig, Stage
    from motes.train.learner import build_model, find_preset
    from motes.train.rendered import Rendered

    torch.set_num_threads(1)
    model = build_model(find_preset("motes-s"), ModelConfig("motes-s", frozen=("encoder.",)))
    learner = ChoosingLearner(
        model.to(memory_format=torch.channels_last), LossConfig("motes-s"), 3, True
    )
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    source, stage = Rendered.of(options(clips)), Stage(1, (192, 192), 16, 128)
    for index in range(2 + steps):
        if index == 2:
            began = time.process_time()
        b = source.draw(seeded(index), stage)
        s = b.sample
        terms = learner(s.video, s.xy, s.visible, s.valid, b.queries, b.candidates, b.error)
        sum(terms.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    print((time.process_time() - began) / steps)


def run_research(arguments, clips):
    """Seconds of processor time a step, from the difference of two lengths."""
    with tempfile.TemporaryDirectory() as folder:
        times = [research_seconds(arguments, clips, folder, n) for n in (2, 2 + arguments.steps)]
    return (times[1] - times[0]) / arguments.steps


def research_seconds(arguments, clips, folder, steps):
    script = Path(arguments.research) / "train_chooser.py"
    config = (Path(arguments.research) / "f.json").read_text().strip()
    command = [sys.executable, "-c", MEASURED, str(script), "--config", config]
    command += ["--out", f"{folder}/{steps}", "--data", str(clips), "--steps", str(steps)]
    found = environment(arguments.package)
    done = subprocess.run(command, env=found, stdout=subprocess.PIPE, text=True, check=True)
    return float(re.findall(r"processor time ([\d.]+)", done.stdout)[-1])


MEASURED = """
import runpy, sys, time
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print("processor time", time.process_time())
"""


if __name__ == "__main__":
    main()
