// Solar altitude, enough for shading nights (± 0.3 degrees). Low-precision formulas of the Astronomical Almanac.
const RAD = Math.PI / 180

/** Altitude of the sun's centre in degrees. */
export function sunAltitude(instant: number, lon: number, lat: number): number {
  const days = instant / 86_400_000 - 10_957.5
  const mean = (280.46 + 0.9856474 * days) * RAD
  const anomaly = (357.528 + 0.9856003 * days) * RAD
  const ecliptic = mean + (1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly)) * RAD
  const tilt = (23.439 - 4e-7 * days) * RAD
  const declination = Math.asin(Math.sin(tilt) * Math.sin(ecliptic))
  const ascension = Math.atan2(Math.cos(tilt) * Math.sin(ecliptic), Math.cos(ecliptic))
  const sidereal = (280.46061837 + 360.98564736629 * days + lon) * RAD
  const angle = sidereal - ascension
  return Math.asin(Math.sin(lat * RAD) * Math.sin(declination) + Math.cos(lat * RAD) * Math.cos(declination) * Math.cos(angle)) / RAD
}

/** Is the sun below the horizon (refraction included)? */
export const isNight = (instant: number, lon: number, lat: number): boolean => sunAltitude(instant, lon, lat) < -0.833

/** Spans [start, end) of night within [from, to), to ten minutes. */
export function nights(from: number, to: number, lon: number, lat: number): [number, number][] {
  const step = 600_000
  const spans: [number, number][] = []
  let start: number | null = null
  for (let at = from; at < to; at += step) {
    const dark = isNight(at, lon, lat)
    if (dark && start === null) start = at
    if (!dark && start !== null) {
      spans.push([start, at])
      start = null
    }
  }
  if (start !== null) spans.push([start, to])
  return spans
}
