"""``motes export``: tracks from one file format to others."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import print_line, warn
from motes.cli._exchange import (
    FIRST_HELP,
    HIDDEN_HELP,
    PIN_HELP,
    parse_footage,
    parse_ids,
    parse_options,
)
from motes.cli._options import MASK
from motes.cli._outputs import check_counts
from motes.common.files import check_overwrites
from motes.errors import InputError
from motes.export import Footage, check_output, load, save_parts
from motes.tracks import Tracks

POINTS, OTHER, SOURCE = "Points", "Files of other programs", "Facts that the input file lacks"


def command(
    tracks: Annotated[
        Path, typer.Argument(help="A track file, such as bike.npz, or the .part folder of a run.")
    ],
    output: Annotated[
        list[Path],
        typer.Option(
            "--output", "-o", help="File to write, by suffix: $track_suffixes.  Repeatable."
        ),
    ],
    ids: Annotated[
        str | None, typer.Option(help="Only these points: 3,8.", rich_help_panel=POINTS)
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(help="Only points with these names: nose,tail.", rich_help_panel=POINTS),
    ] = None,
    mask: Annotated[
        Path | None,
        MASK,
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(
            help="Frame of the mask.  (default: that of each query)", rich_help_panel=POINTS
        ),
    ] = None,
    first_frame: Annotated[int | None, typer.Option(help=FIRST_HELP, rich_help_panel=OTHER)] = None,
    hidden: Annotated[str | None, typer.Option(help=HIDDEN_HELP, rich_help_panel=OTHER)] = None,
    pin: Annotated[str | None, typer.Option(help=PIN_HELP, rich_help_panel=OTHER)] = None,
    video: Annotated[
        str | None,
        typer.Option(help="The video, for its size and frame rate.", rich_help_panel=SOURCE),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Size of the video: 1920x1080.", rich_help_panel=SOURCE)
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(help="Frame rate of the video: 25, 30000/1001.", rich_help_panel=SOURCE),
    ] = None,
    source_first_frame: Annotated[
        int | None,
        typer.Option(
            help="Number of the first frame in the input file.",
            rich_help_panel=SOURCE,
        ),
    ] = None,
) -> None:
    """Convert tracks to other file formats.

    Examples:
      motes export bike.npz -o bike.csv -o bike.json

      motes export shot.npz -o shot.nk --first-frame 1001

      motes export shot.npz -o shot.cornerpin.nk --pin 3,8,1,2

      motes export shot.nk --video shot.mov -o shot.npz
    """
    outputs = [str(path) for path in output]
    options = parse_options(first_frame, hidden, pin, mask is not None, outputs)
    footage = parse_footage(video, size, fps, source_first_frame)
    for path in output:
        check_output(path, options)
    inputs = [tracks, mask, None if video is None else Path(video)]
    check_overwrites(output, [path for path in inputs if path is not None])
    if at is not None and mask is None:
        raise InputError("--at: expected it together with --mask")
    parts = _parts(tracks, footage)
    if not (ids is None and names is None and mask is None):
        parts = [_chosen(Tracks.concat_frames(list(parts)), ids, names, mask, at)]
    for part in islice(parts, 1):
        check_counts(outputs, len(part), options)
    for path in output:
        save_parts(parts, path, options)
        print_line(f"wrote {path}")


def _parts(path: Path, footage: Footage) -> Iterable[Tracks]:
    if not path.is_dir():
        return [load(path, footage)]
    if footage != Footage():
        raise InputError(f"{path}: the recording of a run says everything about its video")
    return _recording(path)


def _chosen(
    tracks: Tracks, ids: str | None, names: str | None, mask: Path | None, at: int | None
) -> Tracks:
    from motes.export.choose import choose
    from motes.queries.mask import read_mask

    return choose(
        tracks,
        ids=None if ids is None else parse_ids(ids, "--ids"),
        names=None if names is None else [name.strip() for name in names.split(",")],
        mask=None if mask is None else read_mask(mask, tracks.size),
        at=at,
    )


def _recording(folder: Path) -> Iterable[Tracks]:
    """What a run has written so far, one stretch of frames at a time."""
    from motes.tracking.recording import Recording

    recording = Recording(folder)
    if not recording.complete:
        warn(f"{folder}: the run did not come to its end")
    return recording
