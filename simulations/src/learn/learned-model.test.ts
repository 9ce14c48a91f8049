import { expect, it } from 'vitest';
import { beginningOf } from './learned-model.ts';

it('a head of the digits that ship begins as they do, and is a part of their graph', async () => {
  const head = await beginningOf({ graph: 'digits', trains: 'head' }, 1);
  const whole = await beginningOf({ graph: 'digits', trains: 'all' }, 2);
  expect([head.initial.length, whole.initial.length]).toEqual([7_330, 8_706]);
  expect(whole.layout.tensors).toEqual(expect.arrayContaining([...head.layout.tensors]));
  // The head is read last.
  expect(head.initial).toEqual(whole.initial.subarray(-head.initial.length));
});

it('a network begins with drawn weights, by its seed', async () => {
  const [one, other] = [await beginningOf('logistic', 1), await beginningOf('logistic', 2)];
  expect(one.initial).not.toEqual(other.initial);
  expect((await beginningOf('logistic', 1)).initial).toEqual(one.initial);
});
