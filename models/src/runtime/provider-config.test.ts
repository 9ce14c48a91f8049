import { describe, expect, it } from 'vitest';
import { providersSchema } from './provider-config.ts';

describe('[PRV5] the execution providers of a configuration', () => {
  it.each([
    [undefined, ['cpu']],
    ['webgpu, cpu', ['webgpu', 'cpu']],
    [
      ['cuda', 'webgpu', 'cpu'],
      ['cuda', 'webgpu', 'cpu'],
    ],
  ])('may be %s', (given, expected) => {
    expect(providersSchema.parse(given)).toEqual(expected);
  });

  it.each(['webgpu', 'cpu,webgpu', 'webgpu,webgpu,cpu', 'tpu,cpu', 'wasm,cpu', '', [[]]])(
    'are not %s',
    (given) => {
      expect(providersSchema.safeParse(given).success).toBe(false);
    },
  );
});
