import { fileURLToPath } from 'node:url';

/** This package's part that runs in a browser. */
export const browserModule = fileURLToPath(new URL('../../dist/browser.js', import.meta.url));
