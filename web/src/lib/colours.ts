// Five steps, told apart by lightness alone, so that every kind of colour vision can rank them.
import type { ColourBy } from './hash'
import type { MapFrame } from './types'

export type Theme = 'light' | 'dark'

const SCALES: Record<Theme, Record<ColourBy, string[]>> = {
  light: {
    value: ['#f4f1bd', '#a5d9b5', '#48b1c2', '#2b74b0', '#22307f'],
    doubt: ['#f1edf6', '#cfc3e4', '#a48fce', '#7a56b0', '#4b1d84'],
    usual: ['#2767ab', '#93bfe0', '#ece9e2', '#f0b07a', '#bd5413'],
  },
  dark: {
    value: ['#2a3a78', '#2c70ac', '#38a3b7', '#94d4af', '#f6f3b8'],
    doubt: ['#3a2a58', '#64459a', '#8f72c4', '#bfaae0', '#f0e8fb'],
    usual: ['#5aa0e0', '#35618c', '#3d434b', '#8f5a2e', '#ee9b55'],
  },
}

export const steps = (theme: Theme, by: ColourBy): string[] => SCALES[theme][by]

/** Lift of a stretch of road over the city's average: four steps told apart by lightness, on a casing. */
export const LIFT_COLOURS: Record<Theme, [string, string, string, string]> = {
  light: ['#fff3d6', '#fbbf6b', '#e2622a', '#8c1420'],
  dark: ['#8a2f3a', '#d9603b', '#fbb04f', '#fff0c9'],
}
export const LIFT_BREAKS = [0.75, 1.25, 2]

/** Class 0..3 of a lift; -1 where it is not known. */
export const liftClass = (lift: number | null): number =>
  lift === null ? -1 : LIFT_BREAKS.filter((limit) => lift >= limit).length

/** Limits of the relative width (q90 - q10) / mean; like those of value / usual the same for every product and hour. */
export const DOUBT_BREAKS = [0.25, 0.5, 1, 2]
/** The middle class is what the API's sentences call "as usual". */
export const USUAL_BREAKS = [0.7, 0.87, 1.15, 1.43]

/** The four inner limits of the five classes. Five numbers are where the classes start; what lies lower joins the first. */
export const innerBreaks = (breaks: readonly number[]): number[] => breaks.slice(-4)

export const limits = (by: ColourBy, frame: MapFrame): number[] =>
  by === 'value' ? innerBreaks(frame.breaks) : by === 'doubt' ? DOUBT_BREAKS : USUAL_BREAKS

/** Class 0..4 of a value among four inner limits: a value on a limit belongs to the upper class. */
export function classOf(value: number, inner: readonly number[]): number {
  let found = 0
  for (const limit of inner) if (value >= limit) found += 1
  return Math.min(found, 4)
}

/** What was counted at place `i` in a past hour of which no forecast is kept. */
export const counted = (frame: MapFrame, i: number): number | null =>
  frame.kind === 'past' && frame.state[i] === 'no_data' ? (frame.observed[i] ?? null) : null

/** Does the frame show counts instead of forecasts? */
export const isCounted = (frame: MapFrame): boolean =>
  frame.kind === 'past' && !frame.state.includes('forecast') && frame.places.some((_, i) => counted(frame, i) !== null)

/** What is coloured for place `i`, or null where there is nothing to say. */
export function coloured(frame: MapFrame, i: number, by: ColourBy): number | null {
  const mean = frame.mean[i] ?? null
  if (by === 'value' && counted(frame, i) !== null) return counted(frame, i)
  if (frame.state[i] !== 'forecast' || mean === null) return null
  if (by === 'value') return mean
  if (by === 'usual') {
    const usual = frame.usual[i] ?? null
    return usual === null || usual <= 0 ? null : mean / usual
  }
  const low = frame.q10[i] ?? null
  const high = frame.q90[i] ?? null
  return low === null || high === null || mean <= 0 ? null : (high - low) / mean
}

/** Class of every place of the frame: 0..4, -1 no data, -2 closed. */
export function classes(frame: MapFrame, by: ColourBy): Map<string, number> {
  const inner = limits(by, frame)
  return new Map(
    frame.places.map((place, i) => {
      if (frame.state[i] === 'closed') return [place, -2] as const
      const value = coloured(frame, i, by)
      return [place, value === null ? -1 : classOf(value, inner)] as const
    }),
  )
}

/** Share 0..1 of the largest limit, by area: how big a site's circle is. */
export function sizeOf(value: number | null, frame: MapFrame): number {
  const top = Math.max(...frame.breaks, 1e-9)
  return Math.sqrt(Math.min(Math.max(value ?? 0, 0) / top, 1.6))
}
