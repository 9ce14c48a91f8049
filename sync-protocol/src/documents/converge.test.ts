import { describe, expect, it, onTestFinished } from 'vitest';
import { createDocumentFleet } from '../testing/document-fleet.ts';

const site = 'site/default';

async function start(...args: Parameters<typeof createDocumentFleet>) {
  const fleet = await createDocumentFleet(...args);
  onTestFinished(() => fleet.close());
  return fleet;
}

describe('documents', () => {
  it('[DOC1] three devices of a site end with the same heads and value', async () => {
    const fleet = await start(['a', 'b', 'c']);
    await fleet.exchange();
    await fleet.device('a').patch(site, { lamps: { a: 1 }, mode: 'day' });
    await fleet.device('b').patch(site, { lamps: { b: 2 } });
    await fleet.device('c').patch(site, { mode: 'night' });
    await fleet.exchange();
    const views = await Promise.all(['a', 'b', 'c'].map((name) => fleet.device(name).read(site)));
    const hub = await fleet.hub.read(site);
    if (!hub.ok) throw new Error(hub.error.message);
    for (const view of views) expect([...view.heads].sort()).toEqual([...hub.value.heads].sort());
    expect(views[0]?.value).toMatchObject({ lamps: { a: 1, b: 2 } });
  });
});
