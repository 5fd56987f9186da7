"""Jersey City's bike share: how many trips will start at each station, day by day."""
