"""New York's green taxis: how long a trip takes from zone to zone, by the hour of departure."""
