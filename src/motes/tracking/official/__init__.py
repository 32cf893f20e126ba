"""`compat="official"`: tracking as the published CoTracker predictors do it, number for number.

Three predictors were published, and each has a name here: ``official`` (whole videos),
``official-online`` (as a stream) and ``official-eval`` (the TAP-Vid benchmark).  What differs
between the versions is data, `RULES`.  By default motes does otherwise where this is better:

- support points are placed in the frame of a query, not always in the first frame;
- a video that is not longer than half a window is tracked, instead of answered with zeros;
- the backward pass covers exactly the frames before a query, also where v1 looks for zeros;
- visibility counts as confidence says, also in the offline predictor of v3;
- points of the first version are taken in the order given, also when their frames are equal;
- the margin of a grid follows the height as well as the width.
"""

from motes.tracking.official.predictor import OfficialTracker
from motes.tracking.official.rules import MODES, RULES, SIZE

__all__ = ["MODES", "RULES", "SIZE", "OfficialTracker"]
