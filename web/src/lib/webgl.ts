/** Can this browser draw the moving map? */
export function hasWebGL(): boolean {
  try {
    const made = document.createElement('canvas').getContext('webgl2')
    made?.getExtension('WEBGL_lose_context')?.loseContext()
    return made !== null
  } catch {
    return false
  }
}
