import { fileURLToPath } from 'node:url';

/** This package's part that runs in a browser. */
export const browserModule = fileURLToPath(new URL('../../dist/plain.js', import.meta.url));
