import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { Example } from '../learn/example-store.ts';
import { openDatabase } from './sqlite-database.ts';
import { askedMax, createSqliteExampleStore } from './sqlite-example-store.ts';

function open(bounds: { examplesMax?: number; bytesMax?: number } = {}) {
  const database = unwrap(openDatabase(':memory:'));
  onTestFinished(() => void database.close());
  const store = createSqliteExampleStore(database, {
    examplesMax: 100,
    bytesMax: 1_000,
    retentionMs: 1_000,
    ...bounds,
  });
  let made = 0;
  const add = (label: string, more: Partial<Example> = {}) => {
    made += 1;
    const example: Example = {
      id: `e${made}`,
      model: 'm',
      label,
      source: 'person',
      use: 'train',
      keptMs: made,
      expiresMs: 1_000 + made,
      datatype: 'UINT8',
      shape: [2],
      data: Uint8Array.of(made, 0),
      ...more,
    };
    return unwrap(store.add(example));
  };
  const ids = (model = 'm') => store.list(model).map(({ id }) => id);
  return { store, add, ids };
}

it('[LEA2] gives back an input as it was asked, with who said what of it', () => {
  const { store, add } = open();
  add('7', { source: 'cloud', use: 'evaluate', request: 'r' });
  expect(store.read(['e1', 'gone'])).toEqual([
    {
      id: 'e1',
      model: 'm',
      label: '7',
      source: 'cloud',
      use: 'evaluate',
      keptMs: 1,
      expiresMs: 1_001,
      request: 'r',
      datatype: 'UINT8',
      shape: [2],
      data: Uint8Array.of(1, 0),
    },
  ]);
});

it('[LEA2] a person’s word replaces the cloud’s of the same request, and not the other way round', () => {
  const { store, add } = open();
  add('7', { source: 'cloud', request: 'r' });
  expect(add('1', { source: 'person', request: 'r' })).toBe(true);
  expect(add('7', { source: 'cloud', request: 'r' })).toBe(false);
  expect(store.list('m')).toMatchObject([{ label: '1', source: 'person' }]);
  expect(add('4', { source: 'person', request: 'r' })).toBe(true);
  expect(store.list('m')).toMatchObject([{ label: '4' }]);
});

it('[LEA3] where there is no room the oldest of the most frequent label leaves: rare labels stay', () => {
  const { add, ids } = open({ examplesMax: 4 });
  for (const label of ['rare', 'often', 'often', 'often', 'often', 'new']) add(label);
  expect(ids()).toEqual(['e1', 'e4', 'e5', 'e6']);
});

it('[LEA3] their bytes are bounded over all models, and what could never fit is refused', () => {
  const { store, add, ids } = open({ bytesMax: 8 });
  add('a', { model: 'other' });
  for (const label of ['b', 'b', 'b', 'b']) add(label);
  expect([ids('other'), ids()]).toEqual([['e1'], ['e3', 'e4', 'e5']]);
  const large = { ...store.read(['e5'])[0], id: 'x', data: new Uint8Array(9) } as Example;
  expect(store.add(large)).toMatchObject({ error: { code: 'too_large' } });
  expect(ids()).toEqual(['e3', 'e4', 'e5']);
});

it('[LEA3] what has outlived its time is gone', () => {
  const { store, add, ids } = open();
  add('a', { expiresMs: 10 });
  add('b', { expiresMs: 11 });
  expect(unwrap(store.expire(10))).toBe(1);
  expect(ids()).toEqual(['e2']);
});

it('[LEA3] inputs that wait for the cloud’s word are bounded', () => {
  const { store } = open();
  for (let i = 0; i <= askedMax; i++)
    unwrap(
      store.keepAsked({
        request: `r${i}`,
        model: 'm',
        askedMs: i,
        datatype: 'UINT8',
        shape: [1],
        data: Uint8Array.of(i),
      }),
    );
  expect(store.asked('r0')).toBeUndefined();
  expect(store.asked('r1')).toMatchObject({ model: 'm', data: Uint8Array.of(1) });
  store.forgetAsked('r1');
  expect(store.asked('r1')).toBeUndefined();
});

it('[LEA1] a consent that is withdrawn takes with it what it covered', () => {
  const { store, add, ids } = open();
  unwrap(store.setConsent('m', { people: true, cloud: true }));
  add('a', { source: 'person' });
  add('b', { source: 'cloud' });
  const asked = { request: 'r', model: 'm', askedMs: 0, datatype: 'UINT8', shape: [1] } as const;
  unwrap(store.keepAsked({ ...asked, data: Uint8Array.of(1) }));
  unwrap(store.setConsent('m', { people: true, cloud: false }));
  expect(ids()).toEqual(['e1']);
  expect(store.asked('r')).toBeUndefined();
  expect(store.consent('m')).toEqual({ people: true, cloud: false });
  unwrap(store.setConsent('m', { people: false, cloud: false }));
  expect(ids()).toEqual([]);
});

it('removes all, those of a model, and one', () => {
  const { store, add, ids } = open();
  for (const label of ['a', 'b', 'c']) add(label);
  add('d', { model: 'n' });
  expect(unwrap(store.remove({ model: 'm', id: 'e2' }))).toBe(1);
  expect(unwrap(store.remove({ model: 'n', id: 'e1' }))).toBe(0);
  expect(ids()).toEqual(['e1', 'e3']);
  expect(store.counts()).toEqual([
    { model: 'm', count: 2, bytes: 4, labels: new Map(Object.entries({ a: 1, c: 1 })) },
    { model: 'n', count: 1, bytes: 2, labels: new Map(Object.entries({ d: 1 })) },
  ]);
  expect(unwrap(store.remove({ model: 'm' }))).toBe(2);
  expect(unwrap(store.remove({}))).toBe(1);
});
