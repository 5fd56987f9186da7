"""How a person asks: one pure module per lens."""
