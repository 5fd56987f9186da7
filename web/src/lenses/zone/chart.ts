// The series as uPlot wants it, and its options: past counted, now, forecast with its two ranges.
import type uPlot from 'uplot'
import type { Lang, Series } from '../../lib/types'
import { clock, dayShort, localHour } from '../../lib/time'
import type { Theme } from '../../lib/colours'

type Column = (number | null)[]

/** The series from the first hour of which anything is known: a source months late has no past week to show. */
export function known(series: Series): Series {
  const first = series.series.findIndex((point) => point.observed !== null || point.mean !== null)
  return first > 0 ? { ...series, series: series.series.slice(first) } : series
}

export interface ChartData {
  columns: [number[], Column, Column, Column, Column, Column, Column]
  peak: { value: number; time: number } | null
}

/** Columns: time (s), q90, q10, q75, q25, middle, observed. Rare events: rates per 1,000 hours, no ranges. */
export function chartData(series: Series, isSparse: boolean, hasBands: boolean): ChartData {
  const points = series.series
  const scale = isSparse && !hasBands ? 1000 : 1
  const of = (pick: (point: (typeof points)[number]) => number | null, shown = true): Column =>
    points.map((point) => {
      const value = shown ? pick(point) : null
      return value === null || value === undefined ? null : value * scale
    })
  // In the past the counts speak; only the ranges promised then stand behind them.
  const middle = of((point) => (point.kind === 'forecast' || scale > 1 ? point.mean : null))
  let peak: ChartData['peak'] = null
  points.forEach((point, i) => {
    const value = point.kind === 'forecast' ? middle[i] : null
    if (value !== null && value !== undefined && (!peak || value > peak.value)) peak = { value, time: Date.parse(point.time) }
  })
  return {
    columns: [
      points.map((point) => Date.parse(point.time) / 1000),
      of((point) => point.q90, hasBands), of((point) => point.q10, hasBands),
      of((point) => (point.kind === 'forecast' ? point.q75 : null), hasBands), of((point) => (point.kind === 'forecast' ? point.q25 : null), hasBands),
      middle,
      // A single crash would dwarf the rate: rare events are marked at the foot of the chart instead.
      of((point) => point.observed, !isSparse || hasBands),
    ],
    peak,
  }
}

/** Times (s) at which a rare event was counted. */
export const events = (series: Series): number[] =>
  series.series.filter((point) => (point.observed ?? 0) > 0).map((point) => Date.parse(point.time) / 1000)

export interface Ink {
  axis: string
  grid: string
  band: string
  band50: string
  line: string
  observed: string
  night: string
  now: string
  at: string
}

export const INK: Record<Theme, Ink> = {
  light: {
    axis: '#55606b', grid: '#e7e5df', band: 'rgb(11 106 128 / 0.18)', band50: 'rgb(11 106 128 / 0.30)', line: '#0b5f73',
    observed: '#17212b', night: 'rgb(60 72 110 / 0.07)', now: '#0b5f73', at: '#17212b',
  },
  dark: {
    axis: '#a3adb7', grid: '#2a333c', band: 'rgb(110 200 216 / 0.20)', band50: 'rgb(110 200 216 / 0.32)', line: '#7fd0df',
    observed: '#eef2f5', night: 'rgb(0 0 0 / 0.25)', now: '#7fd0df', at: '#ffffff',
  },
}

export interface Marks {
  now: number
  at: number
  nights: [number, number][]
  events: number[]
}

export interface Asked {
  width: number
  height: number
  tz: string
  lang: Lang
  ink: Ink
  marks: () => Marks
  format: (value: number) => string
  choose: (time: number) => void
  point: (index: number | null) => void
}

export function options(asked: Asked, plot: typeof uPlot): uPlot.Options {
  const { ink, tz, lang } = asked
  const font = '12px system-ui, sans-serif'
  const hidden = { stroke: 'transparent', width: 0, points: { show: false } }
  return {
    width: asked.width, height: asked.height, padding: [8, 22, 0, 0], legend: { show: false },
    tzDate: (seconds) => plot.tzDate(new Date(seconds * 1000), tz),
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(low * 1.08, 0), Math.max(high * 1.08, 1e-9)] } },
    axes: [
      {
        stroke: ink.axis, font, grid: { stroke: ink.grid, width: 1 }, ticks: { show: false }, space: 52, gap: 4, size: 26,
        splits: (_, __, low, high) => midnightsBetween(low, high, tz),
        values: (_, splits) => splits.map((at) => dayShort(at * 1000, tz, lang)),
      },
      {
        stroke: ink.axis, font, grid: { stroke: ink.grid, width: 1 }, ticks: { show: false }, size: 44, gap: 4, space: 34,
        values: (_, splits) => splits.map((value) => asked.format(value)),
      },
    ],
    series: [
      {}, { ...hidden }, { ...hidden }, { ...hidden }, { ...hidden },
      { stroke: ink.line, width: 2, points: { show: false } },
      { stroke: ink.observed, width: 1.1, points: { show: false } },
    ],
    bands: [
      { series: [1, 2], fill: ink.band },
      { series: [3, 4], fill: ink.band50 },
    ],
    hooks: {
      drawClear: [(self) => under(self, asked)],
      setCursor: [(self) => asked.point(self.cursor.idx ?? null)],
      draw: [(self) => over(self, asked)],
      ready: [(self) => self.over.addEventListener('click', () => {
        const time = self.cursor.idx === null || self.cursor.idx === undefined ? null : self.data[0][self.cursor.idx]
        if (time) asked.choose(time * 1000)
      })],
    },
  }
}

function midnightsBetween(low: number, high: number, tz: string): number[] {
  const found: number[] = []
  for (let at = Math.ceil(low / 3600) * 3600; at <= high; at += 3600) if (localHour(at * 1000, tz) === 0) found.push(at)
  const step = Math.ceil(found.length / 7)
  return found.filter((_, i) => i % step === 0)
}

function under(self: uPlot, { ink, marks }: Asked): void {
  const { ctx, bbox } = self
  ctx.save()
  ctx.fillStyle = ink.night
  for (const [from, to] of marks().nights) {
    const left = Math.max(self.valToPos(from / 1000, 'x', true), bbox.left)
    const right = Math.min(self.valToPos(to / 1000, 'x', true), bbox.left + bbox.width)
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height)
  }
  ctx.restore()
}

function over(self: uPlot, { ink, marks }: Asked): void {
  const { ctx, bbox } = self
  const dot = devicePixelRatio
  const vertical = (time: number, colour: string, dash: number[], width: number) => {
    const x = Math.round(self.valToPos(time / 1000, 'x', true))
    if (x < bbox.left || x > bbox.left + bbox.width) return
    ctx.strokeStyle = colour
    ctx.lineWidth = width * dot
    ctx.setLineDash(dash.map((one) => one * dot))
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
  }
  ctx.save()
  const { now, at, events: seen } = marks()
  vertical(now, ink.now, [3, 3], 1)
  vertical(at, ink.at, [], 1.5)
  ctx.setLineDash([])
  ctx.fillStyle = ink.observed
  for (const time of seen) {
    const x = self.valToPos(time, 'x', true)
    ctx.fillRect(x - dot, bbox.top + bbox.height - 9 * dot, 2 * dot, 9 * dot)
  }
  ctx.restore()
}

export const spokenTime = (at: number, tz: string, lang: Lang): string => `${dayShort(at, tz, lang)} ${clock(at, tz, lang)}`
