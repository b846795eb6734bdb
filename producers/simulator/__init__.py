"""A small virtual site: batteries, inverters, sun and stages, whose figures add up."""
