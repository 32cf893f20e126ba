"""Where results go: pictures by `motes.rendering`, everything else by `motes.export`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from motes.cli._common import print_line, progress
from motes.common.files import check_writable
from motes.errors import InputError
from motes.export import Options, find_format, formats, is_track_file, save_parts
from motes.export import check_output as check_tracks
from motes.tracks import Tracks
from motes.video import Video, writer_suffixes
from motes.video import check_output as check_video

SMALLEST_CELL = 4
"""Bytes of a point in a frame, at least, in a track file."""


def check_outputs(
    outputs: Sequence[str], pictures: bool = True, options: Options | None = None
) -> None:
    """Make sure that every output could be written, before any work is done.

    Args:
        outputs: Paths.
        pictures: Whether there will be a video to draw on.
        options: For track files of other programs.

    Raises:
        InputError: An unknown suffix; the message names the known ones.
        FileError: An output cannot be written.
    """
    for output in outputs:
        if _is_picture(output) and pictures:
            check_video(output)
        elif is_track_file(output):
            check_tracks(output, options)
        else:
            drawn = filter(None, writer_suffixes() if pictures else ())
            known = " ".join(sorted([*formats(), *drawn]))
            raise InputError(
                f"{output}: expected an output with one of the suffixes {known}, "
                f"got {Path(output).suffix or 'none'}"
            )


def check_space(outputs: Sequence[str], cells: int) -> None:
    """Make sure that there is space for tracks.

    Args:
        outputs: Paths.
        cells: Number of points times number of frames.

    Raises:
        FileError: There is less space than the smallest file would take.
    """
    for output in outputs:
        if is_track_file(output):
            check_writable(output, size=SMALLEST_CELL * cells)


def check_counts(outputs: Sequence[str], count: int, options: Options) -> None:
    """Make sure that every track file takes this number of points.

    Raises:
        InputError: One does not.
    """
    for output in outputs:
        if is_track_file(output):
            find_format(output).check_count(count, options)


def write_outputs(
    parts: Iterable[Tracks], video: Video, outputs: Sequence[str], options: Options | None = None
) -> None:
    """Write consecutive stretches of tracks to every output, and print its name.

    Args:
        parts: Read once for each output, so that only formats that need all of them hold them.
        video: What pictures are drawn on.
        outputs: Paths.
        options: For track files of other programs.
    """
    for output in outputs:
        if _is_picture(output):
            _render(Tracks.concat_frames(list(parts)), video, output)
        else:
            save_parts(parts, output, options)
        print_line(f"wrote {output}")


def _render(tracks: Tracks, video: Video, output: str) -> None:
    from motes.rendering.video import render

    with progress(tracks.num_frames, f"drawing {output}") as advance:
        render(video, tracks, output, progress=advance)


def _is_picture(output: str) -> bool:
    return Path(output).suffix.lower() in writer_suffixes()
