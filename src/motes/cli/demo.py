"""``motes demo``: see it work on the bundled clip."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import print_line, progress
from motes.cli._options import MODEL_NAME
from motes.common.files import make_folder


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "motes_demo"
    ),
    model: Annotated[str | None, MODEL_NAME] = None,
) -> None:
    """Track a grid of points through a bundled clip, and print where the results are.

    The clip is a highway filmed by a shaky camera.  The folder then holds the video with trails
    (tracks.mp4), a sheet with the paths of the whole clip (sheet.png) and the numbers (tracks.csv).
    """
    from motes.rendering import plot, render
    from motes.tracking.load import DEFAULT_MODEL, load
    from motes.video import open_video

    folder = make_folder(output)
    with as_file(files("motes") / "assets" / "demo.mp4") as clip:
        video = open_video(clip)
        tracker = load(model or DEFAULT_MODEL)
        with progress(video.num_frames, f"tracking with {tracker.preset.name}") as advance:
            tracks = tracker.track(video, grid=20, progress=advance)
        tracks.save(folder / "tracks.csv")
        with progress(tracks.num_frames, "drawing") as advance:
            render(video, tracks, folder / "tracks.mp4", scale=2, progress=advance)
        plot(video, tracks, folder / "sheet.png")
    print_line(str(tracks))
    print_line(f"look at {folder / 'tracks.mp4'} and {folder / 'sheet.png'}")
    print_line("then try: motes track YOUR_VIDEO.mp4")
