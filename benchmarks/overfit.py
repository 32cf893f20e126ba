"""Overfit a model to four clips: the first test of a model and its training.

    python benchmarks/overfit.py --model taptrv2-s
    python benchmarks/overfit.py --recipe recipes/taptrv2-s.toml    # on a slow machine

Prints the average Jaccard on the four clips during training, and whether it exceeded 90.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.folder import generate
from motes.train.config import Recipe, read_recipe
from motes.train.loop import train
from motes.train.metrics import read_table

GOAL = 90.0


def main() -> None:
    options = arguments()
    folder = Path(options.output or tempfile.mkdtemp(prefix="overfit-"))
    size = (options.size, options.size)
    look = SyntheticConfig(
        options.frames, size, options.points, "layers", speed=(0.002, 0.02), samples=(1, 1)
    )
    for _ in generate(folder / "clips", look, 4, seed=1):
        pass
    start = time.perf_counter()

    def report(step: int, metrics: Mapping[str, float]) -> None:
        if step % options.every == 1 and step > 1:
            row = read_table(folder / "run" / "eval.csv")[-1]
            minutes = (time.perf_counter() - start) / 60
            print(f"step {row['step']:>5}  AJ {float(row['AJ']):5.1f}  {minutes:5.1f} minutes")

    train(recipe(options, folder / "clips"), folder / "run", on_step=report)
    best = max(float(row["AJ"]) for row in read_table(folder / "run" / "eval.csv"))
    name, verdict = options.recipe or options.model, "passed" if best > GOAL else "not passed"
    print(f"{name}: AJ {best:.1f} on its four training clips; {GOAL:g} {verdict}")


def recipe(options: argparse.Namespace, clips: Path) -> Recipe:
    taptr = options.model.startswith("taptr")
    model: dict[str, Any] = {"name": options.model, **({} if taptr else {"iterations": 2})}
    if options.recipe:
        chosen = read_recipe(options.recipe).model
        model |= {"name": chosen.name, "config": chosen.config}
    loss: dict[str, Any] = (
        {"kind": "taptr"} if taptr else {"visible": 1.0, "huber": 1.0, "matching": 0.3}
    )
    stage = {"steps": options.steps, "frames": options.frames, "points": options.points}
    source = {"kind": "clips", "path": str(clips), "options": {"last_frame": True}}
    shape = [options.size, options.size]
    return Recipe.from_dict(
        {
            "model": model,
            "data": {"sources": [source], "first_queries": 1.0},
            "loss": loss,
            "train": {
                "lr": options.lr,
                "ema": 0.95,
                "log_every": 10,
                "stages": [{**stage, "size": shape, "batch": options.batch}],
            },
            "eval": {
                "every": options.every,
                "clips": str(clips),
                "size": shape,
                "points": options.points,
            },
        }
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="taptrv2-s")
    parser.add_argument("--recipe", help="Recipe with the name and size of the model.")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--every", type=int, default=50, help="Steps between two measurements.")
    parser.add_argument("--output", help="Folder of the clips and the run.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
