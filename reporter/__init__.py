"""Documents as people read them: text, CSV and HTML. What is in them was decided before."""
