// What the modules that reach a browser import of '@skerry/shared': the page's import map leads them here, since the
// package's own door would bring zod along.

export { assert, defined } from './assert.ts';
export { failure, messageOf } from './failure.ts';
export { tensorElementsMax, tensorRankMax } from './limits.ts';
export { collect, err, ok } from './result.ts';
