import { expect, it } from 'vitest';
import { openBrowserDevice } from './open-device.ts';

const manifest = { name: 'sample', stages: [{ name: 'edge', side: 'edge' }] };
const variant = { files: { edge: { sha256: 'sha256:0' } } };

it('a stage that the agent refuses is no model: its error is not taken for one', async () => {
  const opened = await openBrowserDevice('sample', {
    fetch: async (path) =>
      path === '/v1/bundles/sample'
        ? Response.json({ manifest, variant })
        : Response.json({ error: 'not now', code: 'overloaded' }, { status: 503 }),
    // Outside of a secure context there is none, and nothing else would tell.
    sha256: undefined,
    nowMs: () => 0,
  });
  expect(opened).toMatchObject({
    error: { code: 'unavailable', message: 'stage edge: the agent says 503' },
  });
});
