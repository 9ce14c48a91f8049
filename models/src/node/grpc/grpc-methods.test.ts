// Against bytes that were put together by hand from the specification's field numbers: a client and a server that share
// one mistake would agree with each other.

import { describe, expect, it } from 'vitest';
import { grpcMethods } from './grpc-methods.ts';
import { readInferRequest } from './infer-messages.ts';

const text = (field: number, value: string) => [field * 8 + 2, value.length, ...Buffer.from(value)];
const nested = (field: number, ...parts: number[][]) => {
  const inside = parts.flat();
  return [field * 8 + 2, inside.length, ...inside];
};
const packed = (field: number, ...values: number[]) => [field * 8 + 2, values.length, ...values];

const tensor = (...contents: number[][]) =>
  nested(5, text(1, 'x'), text(2, 'INT32'), packed(3, 2), ...contents);
const { requestDeserialize, responseSerialize, path } = grpcMethods.ModelInfer;
const read = (...parts: number[][]) =>
  readInferRequest(requestDeserialize(Buffer.from(parts.flat())));

describe('GRPCInferenceService on the wire', () => {
  it('has the path of the specification', () =>
    expect(path).toBe('/inference.GRPCInferenceService/ModelInfer'));

  it('reads typed contents, parameters, the id and the outputs asked for', () => {
    const parameter = nested(4, text(1, 'priority'), nested(2, [2 * 8, 1]));
    const typed = tensor(nested(5, packed(2, 1, 2)));
    expect(
      read(text(1, 'm'), text(3, 'id'), parameter, typed, nested(6, text(1, 'y'))),
    ).toMatchObject({
      value: {
        id: 'id',
        parameters: { priority: 1 },
        inputs: { x: { datatype: 'INT32', shape: [2], data: Int32Array.of(1, 2) } },
        outputs: ['y'],
        raw: false,
      },
    });
  });

  it('reads raw contents', () => {
    expect(read(text(1, 'm'), tensor(), packed(7, 1, 0, 0, 0, 2, 0, 0, 0))).toMatchObject({
      value: { inputs: { x: { data: Int32Array.of(1, 2) } }, raw: true },
    });
  });

  it('refuses a number that its datatype cannot hold', () => {
    const int8 = nested(
      5,
      text(1, 'x'),
      text(2, 'INT8'),
      packed(3, 1),
      nested(5, packed(2, 0xac, 2)),
    );
    expect(read(text(1, 'm'), int8)).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it.each([
    [5, 'inputs'],
    [6, 'outputs'],
    [7, 'rawInputContents'],
  ])('reads no more of field %i, %s, than tell that they are too many', (field, name) => {
    const flood = Buffer.alloc(200_000, Buffer.from(nested(field)));
    const message = requestDeserialize(
      Buffer.concat([Buffer.from([text(1, 'm'), tensor()].flat()), flood]),
    );
    expect((message[name] as unknown[]).length).toBe(65);
    expect(readInferRequest(message)).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it.each([
    ['parameters', Buffer.from([...text(1, 'm'), ...tensor()]), nested(4)],
    ['sizes of an input', undefined, [3 * 8, 1]],
    ['sizes of an input, packed', undefined, packed(3, ...new Array(64).fill(1))],
    ['parameters of an input', undefined, nested(4)],
  ])('reads no message of very many %s', (_, before, repeated) => {
    const flood = Buffer.alloc(2 ** 16, Buffer.from(repeated));
    // A length of 2¹⁶ as a varint.
    const message = before ? [before, flood] : [Buffer.from([5 * 8 + 2, 0x80, 0x80, 4]), flood];
    expect(() => requestDeserialize(Buffer.concat(message))).toThrow('beyond its bound');
  });

  it('writes a response', () => {
    const response = {
      modelName: 'm',
      modelVersion: '1',
      id: 'id',
      outputs: [{ name: 'y', datatype: 'INT32', shape: [1] }],
      rawOutputContents: [Uint8Array.of(7, 0, 0, 0)],
    };
    const output = nested(5, text(1, 'y'), text(2, 'INT32'), packed(3, 1));
    expect([...responseSerialize(response)]).toEqual(
      [text(1, 'm'), text(2, '1'), text(3, 'id'), output, packed(6, 7, 0, 0, 0)].flat(),
    );
  });
});
