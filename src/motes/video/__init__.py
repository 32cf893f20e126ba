"""Video in and out: any source as frames, frames to any file."""

from motes.video.reader import Video, open_video

__all__ = ["Video", "open_video"]
