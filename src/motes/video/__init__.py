"""Video in and out: any source as frames, frames to any file."""

from motes.video.reader import Video, open_video
from motes.video.writer import Writer, check_output, open_writer, writer_suffixes

__all__ = ["Video", "Writer", "check_output", "open_video", "open_writer", "writer_suffixes"]
