"""Features as known at an origin: one module each, one builder for training, backtest and serving."""
