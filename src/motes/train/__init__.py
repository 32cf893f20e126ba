"""Training: a recipe goes in; weights, their record and the curve come out."""
