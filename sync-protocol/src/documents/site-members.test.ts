// Who shares a site's document, where certificates say of which site a device is.

import { err, failure, ok, type Result } from '@skerry/shared';
import { expect, it, onTestFinished } from 'vitest';
import { createDocumentFleet } from '../testing/document-fleet.ts';

const site = 'site/default';
const stepMs = 6_000;

/** Devices of the site, and what certificates say: to be changed by a test. */
async function openFleet(elsewhere: readonly string[] = []) {
  const moved = new Set(elsewhere);
  let unknown = false;
  const isOfSite = async (device: string, of: string): Promise<Result<boolean>> => {
    expect(of).toBe('default');
    return unknown ? err(failure('storage_failed', 'away')) : ok(!moved.has(device));
  };
  const fleet = await createDocumentFleet(['a', 'b', 'c'], { isOfSite });
  onTestFinished(() => fleet.close());
  const membersOf = (document: string): string[] =>
    [...fleet.hubDisk.members.values()]
      .filter((member) => member.document === document)
      .map(({ device }) => device)
      .sort();
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      fleet.advance(stepMs);
      await fleet.exchange();
    }
  };
  return {
    fleet,
    pass,
    moved,
    membersOf,
    setUnknown: (is: boolean) => {
      unknown = is;
    },
  };
}

it('[DOC15] a device of another site neither writes a site’s document nor reads it', async () => {
  const { fleet, pass, membersOf } = await openFleet(['c']);
  await fleet.device('c').patch(site, { intruder: 1 });
  await fleet.device('a').patch(site, { secret: 1 });
  await fleet.exchange();
  await pass(120_000); // Nobody has answered it: it shows all that it has once more.
  expect(await fleet.hub.read(site)).toMatchObject({ value: { value: { secret: 1 } } });
  expect((await fleet.device('b').read(site)).value).toEqual({ secret: 1 });
  expect((await fleet.device('c').read(site)).value).toEqual({ intruder: 1 });
  expect(membersOf(site)).toEqual(['a', 'b']);
  expect(fleet.refused.length).toBeGreaterThan(1);
  expect(new Set(fleet.refused)).toEqual(new Set(['not a document of this device’s site']));
  expect(fleet.hubDisk.quarantined[0]).toMatchObject({ document: site, source: 'c' });
  // What is its own it shares as before.
  await fleet.device('c').patch('device/c', { reported: { fine: true } });
  await fleet.exchange();
  expect(await fleet.hub.read('device/c')).toMatchObject({
    value: { value: { reported: { fine: true } } },
  });
});

it.each(['while it runs', 'and joined before it started'])(
  '[DOC15] a member that is of another site now is told nothing more: the hub hears of it %s',
  async (when) => {
    const { fleet, moved, membersOf } = await openFleet();
    await fleet.device('c').patch(site, { first: 1 });
    await fleet.exchange();
    expect(membersOf(site)).toEqual(['a', 'b', 'c']);
    moved.add('c');
    if (when !== 'while it runs') await fleet.restartHub();
    await fleet.device('a').patch(site, { secret: 1 });
    await fleet.exchange();
    expect((await fleet.device('b').read(site)).value).toEqual({ first: 1, secret: 1 });
    expect((await fleet.device('c').read(site)).value).toEqual({ first: 1 });
    expect(membersOf(site)).toEqual(['a', 'b']);
  },
);

it('[DOC15] while nobody can say of which site devices are nothing is passed on, and nothing is lost', async () => {
  const { fleet, pass, membersOf, setUnknown } = await openFleet();
  await fleet.exchange();
  setUnknown(true);
  await fleet.device('a').patch(site, { a: 1 });
  await fleet.hub.patch(site, { cloud: 1 });
  await fleet.exchange();
  expect((await fleet.device('b').read(site)).value).toEqual({});
  expect(fleet.refused).toEqual([]);
  setUnknown(false);
  await pass(60_000);
  for (const name of ['a', 'b', 'c'])
    expect((await fleet.device(name).read(site)).value).toEqual({ a: 1, cloud: 1 });
  expect(membersOf(site)).toEqual(['a', 'b', 'c']);
});
