"""Times of the frames of tracks, where the frame rate of the video varies."""

from dataclasses import replace

from motes.tracks import Tracks
from motes.video import Video


def with_times(tracks: Tracks, video: Video) -> Tracks:
    """The tracks with the times of their frames, if the frame rate of the video varies."""
    if video.times is None:
        return tracks
    first = tracks.start - video.start
    times = video.times[first : first + tracks.num_frames]
    return replace(tracks, times=times) if len(times) == tracks.num_frames else tracks
