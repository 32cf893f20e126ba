"""What tracks take over from their video and their queries besides numbers."""

from dataclasses import replace

from motes.queries.points import Queries
from motes.tracks import Tracks
from motes.video import Video


def with_facts(tracks: Tracks, video: Video, queries: Queries) -> Tracks:
    """The tracks with the names of the queries, and the times of frames whose rate varies.

    Args:
        tracks: Of all queries, in their order.
        video: What was tracked through.
        queries: The points.
    """
    if queries.names is not None:
        tracks = replace(tracks, names=queries.names)
    if video.times is None:
        return tracks
    first = tracks.start - video.start
    times = video.times[first : first + tracks.num_frames]
    return replace(tracks, times=times) if len(times) == tracks.num_frames else tracks
