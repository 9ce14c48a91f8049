import { deflateSync } from 'node:zlib';
import type { TensorSpec } from '@skerry/models';
import type { WireTensor } from '@skerry/sync-protocol';
import { describe, expect, it } from 'vitest';
import { readWireTensor } from './wire-tensor.ts';

const spec: TensorSpec = { name: 'cut', datatype: 'UINT8', shape: [1, 2, 2] };
const data = Uint8Array.of(1, 2, 3, 4);
const wire: WireTensor = { name: 'cut', datatype: 'UINT8', shape: [1, 2, 2], codec: 'raw', data };

describe('a tensor off the wire', () => {
  it('is the same raw and deflated', () => {
    const deflated: WireTensor = { ...wire, codec: 'deflate', data: deflateSync(data) };
    for (const tensor of [wire, deflated])
      expect(readWireTensor(tensor, spec)).toMatchObject({ ok: true, value: { data } });
  });

  const bomb = deflateSync(new Uint8Array(50_000_000));
  const bad: [string, Partial<WireTensor>][] = [
    ['another name', { name: 'input' }],
    ['a datatype nobody knows', { datatype: 'BF8' }],
    ['another datatype', { datatype: 'FP32', data: new Uint8Array(16) }],
    ['another shape', { shape: [1, 4] }],
    ['two rows', { shape: [2, 2, 2], data: new Uint8Array(8) }],
    ['a shape beyond all bounds', { shape: [1, 4_000_000_000, 4_000_000_000] }],
    ['too few bytes', { data: data.subarray(1) }],
    ['bytes that are not deflated', { codec: 'deflate', data }],
    ['a deflate stream cut short', { codec: 'deflate', data: deflateSync(data).subarray(0, 6) }],
    [
      'a deflate stream of too few bytes',
      { codec: 'deflate', data: deflateSync(data.subarray(1)) },
    ],
    ['a bomb: 50 kB that inflate to 50 MB', { codec: 'deflate', data: bomb }],
  ];
  it.each(bad)('is refused with %s', (_what, change) => {
    expect(readWireTensor({ ...wire, ...change }, spec)).toMatchObject({
      ok: false,
      error: { code: 'invalid_tensor' },
    });
  });
});
