// Where each model stands with its update: for a person on the device.

import { Hono } from 'hono';
import type { Updates } from '../update/updates.ts';

export interface UpdateRoutes {
  /** Absent where this device takes no updates. */
  readonly updates?: Pick<Updates, 'describe' | 'refused'>;
}

export function updateRoutes({ updates }: UpdateRoutes): Hono {
  return new Hono().get('/', (c) =>
    c.json({ models: updates?.describe() ?? [], refused: updates?.refused() }),
  );
}
