// Whatever operators and key holders do to a repository, in whatever order, each device refreshes from wherever it stands
// and believes exactly what is published: three devices that look when they happen to, and one that never has.

import { delegate, removeTarget, rotateKeys, undelegate } from '@skerry/cloud-coordinator/trust';
import type { Signer } from '@skerry/shared/node';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  holdCeremony,
  type KeyCeremony,
  mirrorOf,
  must,
  newSigner,
  sourceOf,
} from './key-ceremony.ts';
import { createTrustingDevice } from './trusting-device.ts';

const hourMs = 3_600_000;
const runs = 5;
const models = ['digits', 'faces', 'vision-a'] as const;
const teams = ['vision', 'other'] as const;
const rotated = ['root', 'targets', 'snapshot', 'timestamp', 'director', ...teams] as const;

type Act =
  | {
      readonly kind: 'add' | 'remove';
      readonly model: (typeof models)[number];
      readonly team: boolean;
    }
  | { readonly kind: 'rotate'; readonly role: (typeof rotated)[number] }
  | { readonly kind: 'delegate' | 'undelegate'; readonly team: (typeof teams)[number] }
  | { readonly kind: 'pass' }
  | { readonly kind: 'refresh'; readonly device: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('add' as const, 'remove' as const),
    model: fc.constantFrom(...models),
    team: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('rotate' as const), role: fc.constantFrom(...rotated) }),
  fc.record({
    kind: fc.constantFrom('delegate' as const, 'delegate' as const, 'undelegate' as const),
    team: fc.constantFrom(...teams),
  }),
  fc.record({ kind: fc.constant('pass' as const) }),
  fc.record({ kind: fc.constant('refresh' as const), device: fc.nat(2) }),
);

const pathOf = (model: string): string => `${model}/1.0.0/manifest.json`;
const patternsOf = { vision: ['vision-*/*/*'], other: ['faces/*/*', 'vision-?/*/*'] };

/** Does it where the repository lets it be done. Everybody signs. */
async function perform(ceremony: KeyCeremony, everybody: Signer[], each: Act): Promise<void> {
  const { repository, nowMs } = ceremony;
  const draft = must(await repository.draft());
  const fresh = newSigner();
  everybody.push(fresh);
  ceremony.online.push(fresh);
  const changed = (() => {
    if (each.kind === 'remove')
      return removeTarget(draft, each.team ? 'vision' : 'targets', pathOf(each.model), nowMs());
    if (each.kind === 'rotate') {
      const [gone = ''] = Object.keys(draft.root.keys);
      const change = { add: [fresh.publicKey], remove: [gone] };
      return rotateKeys(draft, each.role, change, nowMs());
    }
    if (each.kind === 'undelegate') return undelegate(draft, each.team, nowMs());
    if (each.kind !== 'delegate') return undefined;
    const rule = { name: each.team, keys: [fresh.publicKey], threshold: 1, terminating: false };
    return delegate(draft, { ...rule, paths: patternsOf[each.team] }, nowMs());
  })();
  if (each.kind === 'add')
    await ceremony
      .add(
        pathOf(each.model),
        new TextEncoder().encode(each.model),
        undefined,
        each.team ? 'vision' : 'targets',
      )
      .catch(() => undefined);
  if (changed?.ok) must(await repository.stage(changed.value));
  const staged = must(await repository.staged());
  if (staged.length > 0) await ceremony.publish(everybody);
}

/** Which bundles the published roles name, as the walk would find them. */
async function named({ repository }: KeyCeremony): Promise<Set<string>> {
  const published = must(await repository.published());
  return new Set(
    [...(published?.targets.values() ?? [])].flatMap(({ signed }) => Object.keys(signed.targets)),
  );
}

it('[TUF5] after any history any device comes to what is published', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 4, maxLength: 14 }), async (history) => {
      const ceremony = await holdCeremony();
      const root = must(await ceremony.repository.file('1.root.json'));
      const devices = Array.from({ length: 4 }, () => createTrustingDevice(root));
      const everybody = [...Object.values(ceremony.keys).flat()];
      const paths = models.map(pathOf);
      const look = async (device: number): Promise<void> => {
        devices[device]?.setClock(ceremony.nowMs());
        const client = devices[device]?.open();
        must(
          await (client?.refresh(sourceOf(await mirrorOf(ceremony)), paths) ?? Promise.reject()),
        );
        const expected = await named(ceremony);
        for (const path of paths)
          expect((await client?.target(path))?.ok, `${path} on ${device}`).toBe(expected.has(path));
      };
      try {
        for (const each of history) {
          if (each.kind === 'refresh') await look(each.device);
          else if (each.kind === 'pass') {
            ceremony.pass(5 * hourMs);
            must(await ceremony.repository.refresh());
          } else await perform(ceremony, everybody, each);
        }
        for (const device of devices.keys()) await look(device);
      } finally {
        for (const device of devices) device.close();
        ceremony.close();
      }
    }),
    { numRuns: runs },
  );
});
