"""Which points to follow: explicit, on a grid, inside a mask, at corners."""

from motes.queries.points import Queries, parse_points

__all__ = ["Queries", "parse_points"]
