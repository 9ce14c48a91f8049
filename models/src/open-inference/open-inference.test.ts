import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textTensor } from '../bytes-tensor.ts';
import { parseInferRequest } from './request.ts';
import { encodeInferResponse, type InferResponse } from './response.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => utf8(JSON.stringify(value));
const input = (more: object) => ({ name: 'x', shape: [2, 2], datatype: 'UINT8', ...more });

/** A body with binary tensors, and its header's length. */
function withBinary(header: object, binary: Uint8Array): [Uint8Array, string] {
  const head = json(header);
  return [new Uint8Array([...head, ...binary]), String(head.byteLength)];
}

describe('an inference request', () => {
  it('reads nested and flat JSON data alike', () => {
    const nested = parseInferRequest(
      json({
        inputs: [
          input({
            data: [
              [1, 2],
              [3, 4],
            ],
          }),
        ],
      }),
      undefined,
    );
    const flat = parseInferRequest(json({ inputs: [input({ data: [1, 2, 3, 4] })] }), undefined);
    for (const read of [nested, flat])
      expect(read).toMatchObject({
        value: { inputs: { x: { datatype: 'UINT8', data: new Uint8Array([1, 2, 3, 4]) } } },
      });
  });

  it('reads binary data, in the order of the inputs, beside JSON data', () => {
    const [body, length] = withBinary(
      {
        id: '7',
        inputs: [
          input({ parameters: { binary_data_size: 4 } }),
          { name: 'y', shape: [1], datatype: 'FP32', data: [0.5] },
          { name: 'z', shape: [2], datatype: 'INT8', parameters: { binary_data_size: 2 } },
        ],
      },
      new Uint8Array([1, 2, 3, 4, 255, 5]),
    );
    expect(parseInferRequest(body, length)).toMatchObject({
      value: {
        id: '7',
        inputs: {
          x: { data: new Uint8Array([1, 2, 3, 4]) },
          y: { data: new Float32Array([0.5]) },
          z: { data: new Int8Array([-1, 5]) },
        },
      },
    });
  });

  // Triton, extension_binary_data.md: an output's own `binary_data` wins over the request's `binary_data_output`.
  it.each([
    [undefined, undefined, false],
    [undefined, true, true],
    [true, undefined, true],
    [false, true, false],
    [true, false, true],
  ])('binary_data %s under binary_data_output %s sends binary: %s', (own, all, binary) => {
    const read = parseInferRequest(
      json({
        inputs: [input({ data: [1, 2, 3, 4] })],
        parameters: all === undefined ? {} : { binary_data_output: all },
        outputs: [{ name: 'y', parameters: own === undefined ? {} : { binary_data: own } }],
      }),
      undefined,
    );
    expect(read.ok && read.value.binary('y')).toBe(binary);
  });

  const [oneBinary, oneLength] = withBinary(
    { inputs: [input({ parameters: { binary_data_size: 4 } })] },
    new Uint8Array(5),
  );
  it.each<[string, Uint8Array, string | undefined, string]>([
    ['no JSON', utf8('{"inputs"'), undefined, 'invalid_argument'],
    ['no UTF-8', new Uint8Array([0xff]), undefined, 'invalid_argument'],
    ['no inputs', json({}), undefined, 'invalid_argument'],
    ['too few elements', json({ inputs: [input({ data: [1] })] }), undefined, 'invalid_tensor'],
    ['too many', json({ inputs: [input({ data: [1, 2, 3, 4, 5] })] }), undefined, 'invalid_tensor'],
    [
      'an element out of range',
      json({ inputs: [input({ data: [1, 2, 3, 256] })] }),
      undefined,
      'invalid_tensor',
    ],
    [
      'text for a number',
      json({ inputs: [input({ data: [1, 2, 3, '4'] })] }),
      undefined,
      'invalid_tensor',
    ],
    [
      'an unknown datatype',
      json({ inputs: [input({ datatype: 'BF16', data: [] })] }),
      undefined,
      'invalid_tensor',
    ],
    [
      'FP16 in JSON',
      json({ inputs: [input({ datatype: 'FP16', data: [1, 2, 3, 4] })] }),
      undefined,
      'invalid_tensor',
    ],
    [
      'numbers for BYTES',
      json({ inputs: [input({ datatype: 'BYTES', data: [1, 2, 3, 4] })] }),
      undefined,
      'invalid_tensor',
    ],
    [
      'a negative dimension',
      json({ inputs: [input({ shape: [-1], data: [] })] }),
      undefined,
      'invalid_tensor',
    ],
    [
      'a shape that overflows',
      json({ inputs: [input({ shape: [2 ** 4, 2 ** 60 + 2], data: [] })] }),
      undefined,
      'invalid_tensor',
    ],
    ['no data', json({ inputs: [input({})] }), undefined, 'invalid_argument'],
    [
      'an input twice',
      json({ inputs: [1, 2].map(() => input({ data: [1, 2, 3, 4] })) }),
      undefined,
      'invalid_argument',
    ],
    [
      'an output twice',
      json({ inputs: [input({ data: [1, 2, 3, 4] })], outputs: [{ name: 'y' }, { name: 'y' }] }),
      undefined,
      'invalid_argument',
    ],
    ['a header longer than the body', json({}), '99999999999', 'invalid_argument'],
    ['a header length that is no number', json({}), '-1', 'invalid_argument'],
    ['bytes left over', oneBinary, oneLength, 'invalid_argument'],
    ['too few binary bytes', oneBinary.subarray(0, -2), oneLength, 'invalid_argument'],
    [
      'data nested without end',
      utf8(
        `{"inputs":[{"name":"x","shape":[1],"datatype":"UINT8","data":${'['.repeat(5000)}${']'.repeat(5000)}}]}`,
      ),
      undefined,
      'invalid_argument',
    ],
  ])('refuses %s', (_, body, length, code) => {
    expect(parseInferRequest(body, length)).toMatchObject({ ok: false, error: { code } });
  });

  it('takes data nested a hundred deep with the request around it, and brackets in a text', () => {
    const nested = (depth: number) =>
      parseInferRequest(
        utf8(
          `{"id":"[[\\"[[","inputs":[{"name":"x","shape":[1],"datatype":"UINT8","data":${'['.repeat(depth)}1${']'.repeat(depth)}}]}`,
        ),
        undefined,
      );
    expect(nested(97)).toMatchObject({ value: { id: '[["[[', inputs: { x: { shape: [1] } } } });
    expect(nested(98)).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it('quotes no payload in its error', () => {
    const read = parseInferRequest(utf8('{"inputs": "secret words" '), undefined);
    expect(JSON.stringify(read)).not.toContain('secret');
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.option(fc.string()), (body, length) => {
        parseInferRequest(body, length ?? undefined);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        parseInferRequest(json({ inputs: value }), undefined);
        parseInferRequest(json({ inputs: [input({ data: value })] }), undefined);
      }),
    );
  });
});

describe('a raw request', () => {
  const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  const spec = (shape: number[], datatype: 'FP32' | 'BYTES' = 'FP32') => [
    { name: 'x', datatype, shape },
  ];

  it.each([
    ['the length says the one dimension that varies', [-1, 2, -1], [1, 2, 2]],
    ['a batch is of one', [-1, 4], [1, 4]],
    ['a lone dimension is no batch', [-1], [4]],
  ])('%s', (_, shape, read) => {
    const request = parseInferRequest(floats, '0', spec(shape));
    expect(request).toMatchObject({
      value: { inputs: { x: { shape: read, data: Float32Array.of(1, 2, 3, 4) } } },
    });
    expect(request.ok && request.value.binary('y')).toBe(true);
  });

  it('is one element of BYTES, whatever it holds', () => {
    expect(parseInferRequest(utf8('427'), '0', spec([-1], 'BYTES'))).toMatchObject({
      value: { inputs: { x: textTensor([1], ['427']) } },
    });
  });

  it.each([
    ['two dimensions that vary', spec([-1, -1, -1]), 'invalid_argument'],
    ['two inputs', [...spec([4]), ...spec([4])], 'invalid_argument'],
    ['a length that fills no shape', spec([-1, 3]), 'invalid_tensor'],
    ['a length that is another', spec([5]), 'invalid_tensor'],
  ])('refuses %s', (_, specs, code) => {
    expect(parseInferRequest(floats, '0', specs)).toMatchObject({ error: { code } });
  });
});

describe('an inference response', () => {
  const response = {
    modelName: 'm',
    modelVersion: '1',
    parameters: { source: 'exit:1' },
    outputs: {
      label: textTensor([1], ['seven']),
      p: { datatype: 'FP32', shape: [2], data: new Float32Array([0.25, 0.75]) },
    },
  } as const;
  const encode = (message: InferResponse, binary: boolean) => {
    const encoded = encodeInferResponse(message, () => binary);
    if (!encoded.ok) throw new Error(encoded.error.message);
    return encoded.value;
  };

  it('is JSON where nothing is binary', () => {
    const { body, headerLength } = encode(response, false);
    expect(headerLength).toBeUndefined();
    expect(JSON.parse(new TextDecoder().decode(body))).toEqual({
      model_name: 'm',
      model_version: '1',
      parameters: { source: 'exit:1' },
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [1], data: ['seven'] },
        { name: 'p', datatype: 'FP32', shape: [2], data: [0.25, 0.75] },
      ],
    });
  });

  it('appends binary tensors after the JSON, BYTES with their lengths', () => {
    const { body, headerLength = 0 } = encode(response, true);
    const header = JSON.parse(new TextDecoder().decode(body.subarray(0, headerLength)));
    expect(header.outputs.map((o: { parameters: object }) => o.parameters)).toEqual([
      { binary_data_size: 9 },
      { binary_data_size: 8 },
    ]);
    const tail = body.slice(headerLength);
    expect([...tail.subarray(0, 9)]).toEqual([5, 0, 0, 0, ...utf8('seven')]);
    expect([...new Float32Array(tail.slice(9).buffer)]).toEqual([0.25, 0.75]);
  });

  it('keeps the digits of whole numbers that no double holds', () => {
    const big = { datatype: 'INT64', shape: [1], data: BigInt64Array.of(2n ** 60n + 1n) } as const;
    const { body } = encode({ ...response, outputs: { big } }, false);
    expect(new TextDecoder().decode(body)).toContain(`"data":[${2n ** 60n + 1n}]`);
  });

  it('is refused where FP16 is to be JSON', () => {
    const half = { datatype: 'FP16', shape: [1], data: Uint16Array.of(0x3c00) } as const;
    expect(encodeInferResponse({ ...response, outputs: { half } }, () => false)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });
});
