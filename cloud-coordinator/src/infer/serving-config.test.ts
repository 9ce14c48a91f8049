import { loadConfig } from '@skerry/shared';
import { expect, it } from 'vitest';
import { coordinatorConfigSchema } from '../config.ts';
import { limitsOf } from './serving-config.ts';

const load = (modelServing: unknown) =>
  loadConfig(coordinatorConfigSchema, {
    environment: {},
    flags: ['--batch-delay-ms', '5', '--model-serving', JSON.stringify(modelServing)],
  });

it('a model has its own settings, and the general ones for the rest', () => {
  const config = load({
    digits: { batchRowsMax: 8, inferInstances: 2, queueTimeoutAction: 'delay' },
  });
  if (!config.ok) throw new Error(config.error.message);
  expect(limitsOf(config.value, 'digits')).toMatchObject({
    rowsMax: 8,
    slots: 2,
    timeoutAction: 'delay',
    delayMs: 5,
  });
  for (const other of ['fashion', 'constructor'])
    expect(limitsOf(config.value, other)).toMatchObject({
      rowsMax: 32,
      slots: 1,
      timeoutAction: 'reject',
      delayMs: 5,
    });
});

it.each([
  [{ digits: { batchRowsMax: 0 } }],
  [{ digits: { batchRowMax: 8 } }],
  [{ 'no name': {} }],
  [[]],
  ['digits'],
])('refuses %j', (modelServing) => {
  expect(load(modelServing)).toMatchObject({ error: { code: 'invalid_config' } });
});
