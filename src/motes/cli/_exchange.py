"""Options that commands share about the files of other programs."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from motes.errors import InputError
from motes.export import Footage, Options, find_format, load
from motes.export.base import BEST
from motes.tracks import Tracks
from motes.video import Video

FIRST_HELP = "Number that the other program gives to the first frame of the video."
HIDDEN_HELP = "Frames in which a point is hidden: keep or drop.  (default: depends on the format)"
PIN_HELP = (
    "Corner pins: ids of the top-left, top-right, bottom-right and bottom-left point, or best.  "
    "(default: the four points; best with --mask)"
)


def parse_options(
    first: int | None, hidden: str | None, pin: str | None, has_mask: bool, outputs: Sequence[str]
) -> Options:
    """The options that the command line gives.

    Args:
        first: See `Options`.
        hidden: See `Options`.
        pin: Four ids with commas, or ``best``.
        has_mask: Whether points are chosen by a mask, of which a corner pin takes the best four.
        outputs: Of the command.

    Raises:
        InputError: `pin` is something else.
    """
    if pin is None:
        is_pin = any(".cornerpin." in Path(output).name.lower() for output in outputs)
        return Options(first, hidden, BEST if has_mask and is_pin else None)
    if pin == BEST:
        return Options(first, hidden, BEST)
    return Options(first, hidden, parse_ids(pin, "--pin"))


def parse_ids(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers with commas between them.

    Raises:
        InputError: It is something else.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"{option}: expected ids such as 3,8,1,2, got {text!r}") from None


def parse_footage(
    video: str | None, size: str | None, fps: str | None, first: int | None
) -> Footage:
    """What the command line says about the video of a track file.

    Args:
        video: Gives the size and the frame rate; or
        size: ``"640x480"``, and
        fps: ``"25"``, ``"29.97"`` or ``"30000/1001"``.
        first: See `Footage`.

    Raises:
        InputError: One of them is something else.
        FileError: The video cannot be read.
    """
    if video is not None:
        from motes.video import open_video

        source = open_video(video)
        return Footage(source.size, source.fps, first)
    return Footage(_size(size), _fps(fps), first)


def load_for(video: Video, path: Path) -> Tracks:
    """Read the tracks of a video, also from files that do not say its size and frame rate.

    Raises:
        InputError: The content does not fit, or is of another video.
        FileError: The file cannot be read.
    """
    if find_format(path).lossless:
        return load(path)
    return load(path, Footage(video.size, video.fps))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    W, x, H = text.lower().partition("x")
    if not (x and W.isdecimal() and H.isdecimal() and int(W) and int(H)):
        raise InputError(f"--size: expected WIDTHxHEIGHT such as 1920x1080, got {text!r}")
    return int(W), int(H)


def _fps(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise InputError(f"--fps: expected a rate such as 25 or 30000/1001, got {text!r}")
    return fps
