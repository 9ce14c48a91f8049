// The door for what runs in a thread, or in a browser, and checks no border: of the vocabulary what needs no schemas.
// To load zod would be more than half of what such a thread loads. A page's import map leads '@skerry/shared' here too.

export { assert, defined } from './assert.ts';
export { type Failure, failure, messageOf } from './failure.ts';
export { tensorElementsMax, tensorRankMax } from './limits.ts';
export { createRandom, type Random } from './random.ts';
export { collect, err, ok, type Result } from './result.ts';
