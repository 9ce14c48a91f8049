// Heads as databases keep them.

import { z } from 'zod';
import type { Heads } from './engine.ts';

const headsSchema = z.array(z.string());

/** `undefined` where they cannot be read. */
export function parseHeads(text: string): Heads | undefined {
  try {
    return headsSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
