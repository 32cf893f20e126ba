"""What clips and training steps of a recipe cost, in processor seconds of one thread.

    python benchmarks/recipe_cost.py recipes/motes-s-more.toml PHOTOGRAPHS --clips 8
    python benchmarks/recipe_cost.py recipes/motes-s-more.toml PHOTOGRAPHS --part 1 --steps 15

The tables of docs/lab/motes-s.md.  Steps are taken on the first clips, which are kept in --folder.
"""

import argparse
import time

from motes.train.allocation import keep_large_arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("photographs")
    parser.add_argument("--clips", type=int, default=0, help="clips to render and to measure")
    parser.add_argument("--part", type=int, default=0, help="part of the recipe, from 0")
    parser.add_argument("--steps", type=int, default=0, help="steps to take and to measure")
    parser.add_argument("--folder", default="runs/recipe_cost", help="where clips are kept")
    options = parser.parse_args()
    keep_large_arrays()  # before torch allocates anything
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clips(options)
    steps(options)


def part_of(options, number):
    from motes.train.config import read_parts

    changes = [f"data.sources.0.path={options.photographs}", "model.weights="]
    changes += [f"data.sources.0.options.folder={options.folder}", "data.sources.0.options.clips=6"]
    return read_parts(options.recipe, changes)[number][1]


def clips(options):
    """Print each clip's look, the time to draw it, and the time with its candidates."""
    from motes.synthetic import Textures, synthesize
    from motes.train.rendered import FIRST_SEED, render
    from motes.train.sources import build_sources

    (source,) = build_sources(part_of(options, 0).data)
    settings = source.options
    textures = Textures.of(settings.look)
    for number in range(options.clips):
        look = settings.look_of(number)
        began = time.process_time()
        synthesize(look, [FIRST_SEED + number], "cpu", textures.looking_like(look))
        drawn = time.process_time() - began
        render(settings, textures, number)
        whole = time.process_time() - began - drawn
        about = f"{look.frames} frames, movers {look.movers}, repeated {look.repeated}"
        print(
            f"{look.kind}, {about}: {drawn:.2f} s drawn, {whole:.2f} s with candidates", flush=True
        )


def steps(options):
    """Print the mean time of a step of one sample, the first one left out."""
    if not options.steps:
        return
    import numpy as np
    import torch

    from motes.train.batches import Draws, sample_keys
    from motes.train.choosing import ChoosingLearner
    from motes.train.learner import build_model, find_preset
    from motes.train.sources import build_sources

    recipe = part_of(options, options.part)
    model = build_model(find_preset(recipe.model.name), recipe.model)
    learner = ChoosingLearner(
        model.to(memory_format=torch.channels_last).train(), recipe.loss, None, bf16=True
    )
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    draws = Draws(build_sources(recipe.data), recipe.data, recipe.train.stages[0], 0)
    times, points = [], []
    for index in range(1 + options.steps):
        batch = draws[sample_keys(draws, index, index)[0]]
        began = time.process_time()
        s = batch.sample
        given = s.video, s.xy, s.visible, s.valid, batch.queries, batch.candidates, batch.error
        loss = sum(learner(*given).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.process_time() - began)
        points.append(batch.queries.shape[1])
        print(f"step {index}: {points[-1]} points, {times[-1]:.2f} s, loss {loss:.3f}", flush=True)
    print(f"mean: {np.mean(times[1:]):.2f} s, {np.mean(points[1:]):.0f} points")


if __name__ == "__main__":
    main()
