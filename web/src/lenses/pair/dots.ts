// A distribution as ten dots: each stands for one trip in ten, none beyond the quantiles that were forecast.
export interface Dot {
  value: number
  /** Where it is drawn: the middle of its stack. */
  place: number
  /** How many dots lie below it in its stack. */
  level: number
}

const SHARES = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]

/** The quantile function between forecast quantiles (`q05` …), straight from one to the next; shares ascending. */
export function between(quantiles: Record<string, number>, share: number): number {
  const known = Object.entries(quantiles)
    .map(([name, value]) => [Number(name.slice(1)) / 100, value] as const)
    .sort((a, b) => a[0] - b[0])
  const first = known[0]
  const last = known.at(-1)
  if (!first || !last) return NaN
  if (share <= first[0]) return first[1]
  for (let i = 1; i < known.length; i++) {
    const [low, high] = [known[i - 1]!, known[i]!]
    if (share <= high[0]) return low[1] + ((high[1] - low[1]) * (share - low[0])) / (high[0] - low[0])
  }
  return last[1]
}

/** Ten dots, those that would cover each other in one stack (Wilkinson 1999); `bin`: width of a dot in the unit of the values. */
export function dots(quantiles: Record<string, number>, bin: number): Dot[] {
  const stacks: number[][] = []
  for (const share of SHARES) {
    const value = between(quantiles, share)
    const last = stacks.at(-1)
    if (last && value - last[0]! < bin) last.push(value)
    else stacks.push([value])
  }
  return stacks.flatMap((stack) => {
    const place = (stack[0]! + stack.at(-1)!) / 2
    return stack.map((value, level) => ({ value, place, level }))
  })
}

/** Round limits of the axis around the values, and its ticks: at most six. */
export function axis(low: number, high: number): { low: number; high: number; ticks: number[] } {
  const step = [1, 2, 5, 10, 15, 20, 30, 60, 120].find((one) => (high - low) / one <= 5) ?? 240
  const start = Math.max(0, Math.floor(low / step) * step)
  const end = Math.ceil((high + 1e-9) / step) * step
  const ticks: number[] = []
  for (let at = start; at <= end + 1e-9; at += step) ticks.push(at)
  return { low: start, high: end, ticks }
}
