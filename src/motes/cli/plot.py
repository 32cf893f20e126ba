"""``motes plot``: one picture of a whole clip."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zipfile import ZipFile, is_zipfile

import numpy as np
import typer

from motes.cli._common import print_line
from motes.cli._options import BACKGROUND, COLOR, HIDDEN, OPACITY, WIDTH
from motes.common.files import check_overwrites, check_writable
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.tracks import Tracks


def command(
    tracks: Annotated[
        Path,
        typer.Argument(help="A track file, or a clip with known tracks (NAME.mp4 with NAME.npz)."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture, .png or .jpg.")],
    video: Annotated[
        str | None, typer.Option(help="The video that was tracked; default: a plain background.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title.  (default: name of the video)")] = None,
    color: Annotated[str, COLOR] = "position",
    width: Annotated[float | None, WIDTH] = None,
    opacity: Annotated[float, OPACITY] = 1.0,
    background: Annotated[str, BACKGROUND] = "normal",
    hidden: Annotated[bool, HIDDEN] = True,
) -> None:
    """Make one picture of a whole clip.

    It shows the first positions, the paths, frames in between,
    and a chart of the visibility of each point.

    Examples:
      motes plot bike.npz --video bike.mp4 -o bike.png

      motes plot bike.csv --video bike.mp4 -o bike.png --color speed

      motes plot generated/0007.mp4 -o clip.png
    """
    from motes.rendering.sheet import plot
    from motes.rendering.style import Style

    style = Style(color=color, width=width, opacity=opacity, background=background, hidden=hidden)
    check_overwrites([output], [tracks])
    check_writable(output)
    footage, content = _load(tracks, video)
    plot(footage, content, output, title=title, style=style)
    print_line(f"wrote {output}")


def _load(path: Path, video: str | None) -> "tuple[Any, Tracks]":
    """The footage and the tracks: of a track file, or of a clip with known tracks."""
    from motes.cli._exchange import load_for
    from motes.export import is_track_file
    from motes.tracks import Tracks
    from motes.video import open_video

    if is_track_file(path) and not _holds_truth(path):
        return video, Tracks.load(path) if video is None else load_for(open_video(video), path)
    from motes.data.clips import load_clip

    if not path.name:
        raise InputError(f"tracks: expected a file, got {str(path)!r}")
    clip = load_clip(path.with_suffix(".npz"))
    return video or clip.video, _hold(clip.tracks, clip.annotated)


def _holds_truth(path: Path) -> bool:
    """Whether a file is the ``.npz`` of a clip, not one of tracks."""
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return "points.npy" in archive.namelist()


def _hold(tracks: "Tracks", known: np.ndarray) -> "Tracks":
    """Keep each point as it was last known while nothing is known of it."""
    column = np.maximum.accumulate(np.where(known, np.arange(tracks.num_frames), 0), axis=1)
    xy = np.take_along_axis(tracks.xy, column[..., None], 1)
    visible = np.take_along_axis(tracks.visible, column, 1)
    return type(tracks)(xy, visible, size=tracks.size, fps=tracks.fps, start=tracks.start)
