/** Builds the app into the Python package; paths are relative, so that any prefix can serve it. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    outDir: '../src/unembed/server/static',
    emptyOutDir: true,
    sourcemap: false,
    // A data: URL for a script or a style would be refused by the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What the page opens with is two files, not twenty: fewer requests, and less of it once it is packed.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'libraries', test: /node_modules/, tags: ['$initial'], priority: 1 },
            { name: 'page', tags: ['$initial'] },
          ],
        },
      },
    },
  },
  server: {
    fs: { allow: ['..'] }, // the palettes of the flow graph are the Python package's
    proxy: { '/api': { target: process.env['UNEMBED_API'] ?? 'http://127.0.0.1:8420' } },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'], setupFiles: ['src/testPage.ts'] },
});
