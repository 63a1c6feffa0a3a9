import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  build: {
    target: 'es2020',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy knows files only
    chunkSizeWarningLimit: 600,
    rollupOptions: {
      output: {
        // What changes seldom apart from what changes with every release.
        manualChunks: (id) =>
          /node_modules\/(react|react-dom|scheduler|wouter|regexparam|@tanstack\/(react-query|query-core))\//.test(id) ? 'base' : undefined,
      },
    },
  },
  // npm run dev: a house beside it does the work.
  server: { proxy: { '^/(v1|api|me|sandbox)(/|$)': process.env.TOLLGATE_URL ?? 'http://127.0.0.1:8787' } },
});
