import { createRandom, defined } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import type { Answer } from '@skerry/sync-protocol';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteExampleStore } from '../adapters/sqlite-example-store.ts';
import type { Model } from '../infer/model.ts';
import type { InferenceAnswer } from '../infer/request.ts';
import { createKeepExamples, rememberedMax } from './keep-examples.ts';

const labels = ['cat', 'dog'];
const model = { manifest: { name: 'pets', version: '1', labels } } as unknown as Model;

function open(allowed = { people: true, cloud: true }) {
  let consent = allowed;
  const database = unwrap(openDatabase(':memory:'));
  onTestFinished(() => void database.close());
  const bounds = { examplesMax: 100, bytesMax: 10_000, retentionMs: 1_000 };
  const store = createSqliteExampleStore(database, bounds);
  const clock = createVirtualClock(100);
  const keeping = createKeepExamples(
    {
      store,
      labelsOf: (name) => (name === 'pets' ? labels : undefined),
      clock,
      random: createRandom(1),
      consent: () => consent,
    },
    bounds,
  );
  /** A request, and what its app is answered. */
  const ask = (requestId: string, more: Partial<InferenceAnswer>, meanwhile = () => {}) => {
    const data = Uint8Array.of(1, 2);
    const tell = keeping.offer(model, { datatype: 'UINT8', shape: [1, 2], data });
    // A run may move what it is given.
    data.fill(0);
    meanwhile();
    tell?.({ requestId, source: 'exit:1', label: 0, pending: false, ...more } as InferenceAnswer);
    while (clock.runNext(clock.nowMs()));
  };
  const says = (requestId: string, label: number): Answer => ({
    kind: 'answer',
    requestId,
    outcome: {
      kind: 'answered',
      exit: 2,
      label,
      confidence: 1,
      probabilities: [0, 1],
      variant: `sha256:${'a'.repeat(64)}`,
    },
  });
  const withdraw = (): void => {
    consent = { people: false, cloud: false };
  };
  const consentAgain = (): void => {
    consent = allowed;
  };
  return { store, keeping, ask, says, withdraw, consentAgain };
}

it('[LEA2] what the cloud says becomes an example, in time or late, over a restart', () => {
  const { store, keeping, ask, says } = open();
  ask('in-time', { source: 'cloud', label: 1 });
  ask('late', { pending: true });
  ask('sure', {});
  expect(store.list('pets').map(({ request, label }) => [request, label])).toEqual([
    ['in-time', 'dog'],
  ]);
  for (const request of ['late', 'sure', 'stranger']) keeping.cloudAnswered(says(request, 1));
  const [, late] = store.list('pets');
  expect(late).toMatchObject({ request: 'late', label: 'dog', source: 'cloud', expiresMs: 1_100 });
  const [kept] = store.read([defined(late, 'an example').id]);
  expect(kept).toMatchObject({ datatype: 'UINT8', shape: [2], data: Uint8Array.of(1, 2) });
  expect(store.asked('late')).toBeUndefined();
});

it('[LEA2] a person has the last word', () => {
  const { store, keeping, ask, says } = open();
  ask('r', { pending: true });
  unwrap(keeping.correct('r', { label: 'cat', use: 'evaluate', keepMs: 10 }));
  keeping.cloudAnswered(says('r', 1));
  expect(store.list('pets')).toMatchObject([
    { label: 'cat', source: 'person', use: 'evaluate', expiresMs: 110 },
  ]);
});

it('[LEA1] without consent nothing is remembered, of either', () => {
  const { store, keeping, ask, says } = open({ people: false, cloud: false });
  ask('r', { pending: true });
  keeping.cloudAnswered(says('r', 1));
  expect(keeping.correct('r', { label: 'cat' })).toMatchObject({ error: { code: 'not_found' } });
  const input = { datatype: 'UINT8', shape: [2], data: Uint8Array.of(1, 2) } as const;
  expect(keeping.add('pets', input, { label: 'cat' })).toMatchObject({
    error: { code: 'permission_denied' },
  });
  expect(store.list('pets')).toEqual([]);
});

it('[LEA1] consent for people’s labels is none for the cloud’s, and the other way round', () => {
  const people = open({ people: true, cloud: false });
  people.ask('r', { source: 'cloud', label: 1 });
  expect(people.store.list('pets')).toEqual([]);
  expect(people.keeping.correct('r', { label: 'cat' }).ok).toBe(true);
  const cloud = open({ people: false, cloud: true });
  cloud.ask('r', { source: 'cloud', label: 1 });
  expect(cloud.store.list('pets')).toMatchObject([{ source: 'cloud' }]);
  expect(cloud.keeping.correct('r', { label: 'cat' })).toMatchObject({
    error: { code: 'not_found' },
  });
});

it('[LEA1] a consent that is withdrawn while a request runs is none for what it is answered', () => {
  const { store, keeping, ask, says, withdraw, consentAgain } = open();
  ask('sure', { source: 'cloud', label: 1 }, withdraw);
  consentAgain();
  ask('late', { pending: true }, withdraw);
  consentAgain();
  keeping.cloudAnswered(says('late', 1));
  expect(keeping.correct('sure', { label: 'cat' })).toMatchObject({ error: { code: 'not_found' } });
  expect(store.list('pets')).toEqual([]);
});

it('[LEA3] inputs that wait for a person’s word are bounded', () => {
  const { keeping, ask } = open({ people: true, cloud: false });
  for (let i = 0; i <= rememberedMax; i++) ask(`r${i}`, {});
  expect(keeping.correct('r0', { label: 'cat' })).toMatchObject({ error: { code: 'not_found' } });
  expect(keeping.correct('r1', { label: 'cat' }).ok).toBe(true);
});
