// Small pictures drawn here, so that nothing is fetched: hatched = no data, striped = closed.
import type { Paper } from './style'

export interface Picture {
  width: number
  height: number
  data: Uint8ClampedArray
}

const SIZE = 32

/** Pictures by name; drawn for screens of two pixels a point. */
export function pictures(paper: Paper): Record<string, Picture> {
  return {
    hatched: draw(SIZE, (pen) => hatch(pen, paper)),
    striped: draw(SIZE, (pen) => stripe(pen, paper)),
    'hatched-disc': draw(SIZE, (pen) => disc(pen, paper, hatch)),
    'striped-disc': draw(SIZE, (pen) => disc(pen, paper, stripe)),
    landmark: draw(16, (pen) => dot(pen, paper)),
  }
}

type Pen = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D

function draw(size: number, paint: (pen: Pen) => void): Picture {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = size
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  if (!pen) return { width: size, height: size, data: new Uint8ClampedArray(size * size * 4) }
  paint(pen)
  return { width: size, height: size, data: pen.getImageData(0, 0, size, size).data }
}

function hatch(pen: Pen, paper: Paper): void {
  pen.fillStyle = paper.land
  pen.fillRect(0, 0, SIZE, SIZE)
  pen.strokeStyle = paper.hatch
  pen.lineWidth = 2
  for (let x = -SIZE; x <= SIZE * 2; x += 8) {
    pen.beginPath()
    pen.moveTo(x, SIZE)
    pen.lineTo(x + SIZE, 0)
    pen.stroke()
  }
}

function stripe(pen: Pen, paper: Paper): void {
  pen.fillStyle = paper.land
  pen.fillRect(0, 0, SIZE, SIZE)
  pen.fillStyle = paper.hatch
  for (let x = 0; x < SIZE; x += 16) pen.fillRect(x, 0, 3, SIZE)
}

function disc(pen: Pen, paper: Paper, fill: (pen: Pen, paper: Paper) => void): void {
  pen.beginPath()
  pen.arc(SIZE / 2, SIZE / 2, SIZE / 2 - 3, 0, 2 * Math.PI)
  pen.save()
  pen.clip()
  fill(pen, paper)
  pen.restore()
  pen.strokeStyle = paper.hatch
  pen.lineWidth = 2
  pen.stroke()
}

function dot(pen: Pen, paper: Paper): void {
  pen.fillStyle = paper.ink
  pen.strokeStyle = paper.halo
  pen.lineWidth = 2
  pen.fillRect(4, 4, 8, 8)
  pen.strokeRect(4, 4, 8, 8)
}
