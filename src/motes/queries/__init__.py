"""Queries: explicit points, grids, masks and corners."""

from motes.queries.points import Queries, parse_points

__all__ = ["Queries", "parse_points"]
