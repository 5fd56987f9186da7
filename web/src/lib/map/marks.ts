// Marks over the moving map: elements of the page, so that they can be dragged and read aloud.
import { Marker, type Map as GlMap } from 'maplibre-gl'
import type { Mark } from '../stage.svelte'

/** Marks by id, kept while they only move. */
export class Marks {
  private shown = new Map<string, { marker: Marker; mark: Mark }>()

  update(map: GlMap, marks: readonly Mark[]): void {
    const wanted = new Set(marks.map((one) => one.id))
    for (const [id, { marker }] of this.shown) {
      if (wanted.has(id)) continue
      marker.remove()
      this.shown.delete(id)
    }
    for (const mark of marks) this.put(map, mark)
  }

  private put(map: GlMap, mark: Mark): void {
    let held = this.shown.get(mark.id)
    if (!held) {
      const element = document.createElement('div')
      const marker = new Marker({ element, draggable: Boolean(mark.moved), anchor: mark.kind === 'from' || mark.kind === 'to' ? 'bottom' : 'center' })
      held = { marker, mark }
      const own = held
      marker.on('dragend', () => {
        const { lng, lat } = marker.getLngLat()
        own.mark.moved?.(lng, lat)
      })
      this.shown.set(mark.id, held)
      marker.setLngLat([mark.lon, mark.lat]).addTo(map)
    }
    held.mark = mark
    held.marker.setLngLat([mark.lon, mark.lat])
    const element = held.marker.getElement()
    element.className = element.className.split(' ').filter((name) => name.startsWith('maplibregl')).concat('mark', mark.kind).join(' ')
    element.dataset.mark = mark.id
    element.setAttribute('role', 'img')
    element.setAttribute('aria-label', mark.label)
    element.title = mark.label
    if (element.textContent !== mark.text) element.textContent = mark.text
    element.style.setProperty('--heading', `${mark.heading ?? 0}deg`)
    element.classList.toggle('turned', mark.heading !== null && mark.heading !== undefined)
  }
}
