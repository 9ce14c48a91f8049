// Upstream over a server of texts. It is well where it lists its models.

import type { TextServer } from '@skerry/models/openai';
import { ok } from '@skerry/shared';
import type { Upstream } from './upstream.ts';

export const createTextUpstream = (server: TextServer): Upstream => ({
  ...server,
  async health(terms) {
    const listed = await server.list(terms);
    return listed.ok ? ok(undefined) : listed;
  },
});
