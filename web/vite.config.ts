import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// Development only: where the API listens. The built app always asks its own origin.
const api = process.env.URBANCAST_API ?? 'http://127.0.0.1:8000'

export default defineConfig({
  base: './',
  plugins: [svelte()],
  server: { proxy: { '/v1': api } },
  build: {
    outDir: '../src/urbancast/web',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
})
