/** Builds the drawings as one module into the Python package: pages carry it, notebooks load it. */
import { defineConfig } from 'vite';

export default defineConfig({
  publicDir: false,
  build: {
    outDir: '../src/unembed/figures/static',
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: false,
    rolldownOptions: {
      input: 'src/draw/index.ts',
      preserveEntrySignatures: 'strict',
      output: { format: 'es', entryFileNames: 'unembed-draw.js' },
    },
  },
});
