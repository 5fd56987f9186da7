import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const css = readFileSync(new URL('../app.css', import.meta.url), 'utf8')
const [light = '', dark = ''] = css.split('prefers-color-scheme: dark')

function tokens(part: string): Record<string, string> {
  return Object.fromEntries([...part.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((one) => [one[1], one[2]]))
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const share = parseInt(hex.slice(i, i + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (high + 0.05) / (low + 0.05)
}

describe.each([['light', tokens(light.split('@media')[0] ?? '')], ['dark', tokens(dark)]])('%s', (_, colour) => {
  it.each(['ink', 'muted', 'accent-text', 'warn'])('%s can be read on every ground (AA)', (name) => {
    for (const ground of ['paper', 'panel', 'sunk']) expect(contrast(colour[name]!, colour[ground]!), ground).toBeGreaterThanOrEqual(4.5)
  })
  it('words on the accent and on the warning can be read (AA)', () => {
    expect(contrast(colour['on-accent']!, colour.accent!)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(colour.warn!, colour['warn-soft']!)).toBeGreaterThanOrEqual(4.5)
  })
  it('edges of controls can be seen (3:1)', () => {
    for (const ground of ['paper', 'panel']) expect(contrast(colour.control!, colour[ground]!)).toBeGreaterThanOrEqual(3)
  })
})
