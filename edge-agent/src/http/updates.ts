// Where each model stands with its update: for a person on the device.

import { Hono } from 'hono';
import type { UpdateView } from '../update/update-view.ts';

export interface UpdateRoutes {
  /** Absent where this device takes no updates. */
  readonly updates?: Pick<UpdateView, 'describe'>;
}

export function updateRoutes({ updates }: UpdateRoutes): Hono {
  return new Hono().get('/', (c) => c.json(updates?.describe() ?? { models: [] }));
}
