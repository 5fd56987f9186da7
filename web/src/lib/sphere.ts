// Distance and direction on the ground, good enough within a city.
const RADIUS_M = 6_371_000
const RAD = Math.PI / 180

/** Metres between two points (equirectangular). */
export function metres(lon: number, lat: number, toLon: number, toLat: number): number {
  const x = (toLon - lon) * RAD * Math.cos(((lat + toLat) / 2) * RAD)
  return RADIUS_M * Math.hypot(x, (toLat - lat) * RAD)
}

/** Degrees clockwise from north, 0 ≤ b < 360. */
export function bearing(lon: number, lat: number, toLon: number, toLat: number): number {
  const x = (toLon - lon) * Math.cos(((lat + toLat) / 2) * RAD)
  return ((Math.atan2(x, toLat - lat) / RAD) + 360) % 360
}
